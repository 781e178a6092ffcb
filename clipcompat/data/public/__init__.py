"""Public data sets in the community's `$DATA` layout: folders, published lists and splits.

Imports: `data/pictures`, `data/split`, `common`.
"""
