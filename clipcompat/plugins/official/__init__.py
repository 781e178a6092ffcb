"""Checkpoints of the methods' official code, imported as plug-ins. Imports: `methods` and below."""
