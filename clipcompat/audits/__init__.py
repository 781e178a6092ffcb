"""Audit: plug-ins of an old backbone, each with a verdict for the new one: keep, repair, warm-start or retrain.

Imports: runs, and what is below them.
"""
