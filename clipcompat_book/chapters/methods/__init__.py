"""The methods side by side: where each acts, what it carries, what is left of it.

Imports: as `chapters`, and `compatibility/controls`.
"""
