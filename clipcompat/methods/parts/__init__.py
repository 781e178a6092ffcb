"""Parts that several methods share: prompts, attention, the class condition, distillation, logits, parameters.

Imports: `training` and below.
"""
