"""Prompt learners with prompts in both towers, one file per method, and what they share. Imports: `methods.parts`."""
