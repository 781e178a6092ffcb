"""Where an upgrade changes the text tower, what a plug-in loses there, and prompts that enter it deeper.

Imports: as `chapters`.
"""
