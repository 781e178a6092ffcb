"""The user's own pictures: folders, CSV tables and samples become a `Dataset`.

Imports: `data/pictures`, `common`.
"""
