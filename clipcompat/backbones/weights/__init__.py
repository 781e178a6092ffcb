"""Checkpoint files in every published format, read safely, and loading them into a model. Imports: `common`."""
