"""The user's own pictures: folders, CSV tables and samples become a `Dataset`.

Imports: `data`, `data/pictures`, `data/public`, `common`.
"""
