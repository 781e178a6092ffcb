"""Plug-ins of an old backbone made fit for a new one without labels, from pictures that both have seen.

Imports: plugins, and what is below them.
"""
