"""Why ContCoOp is or is not ahead of CoOp: what its attention does, what each factor changes, what the paper's setting
should give. Imports: as `chapters`.
"""
