"""Methods of 2023 to 2025 at the deep end, between image features and logits; one file per method.

Imports: `methods.parts`.
"""
