"""What several methods share: prompts, attention, the class condition, distillation.

Imports: `training` and below.
"""
