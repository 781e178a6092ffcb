"""Checkpoint files of every published form, read safely, and how a model is filled with them.

Imports: `backbones/preprocess`, `common`.
"""
