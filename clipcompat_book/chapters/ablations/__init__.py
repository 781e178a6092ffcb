"""Every switch of ContCoOp, one at a time: what it moves, the paper's own ablations beside ours, and the readings that
no switch expresses. Imports: as `chapters`.
"""
