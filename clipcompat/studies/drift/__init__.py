"""Where an upgrade changes a text tower, layer by layer (`drift`), and what a plug-in loses there (`swap`).

Paper: ContCoOp (arXiv 2412.20895), Fig. 2b and 2c. Imports: as `studies`.
"""
