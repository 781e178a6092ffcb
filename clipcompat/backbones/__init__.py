"""Frozen CLIP-like dual encoders: a `Backbone`, an `Upgrade` of two, and how they are loaded.

Imports: `data`, `common`.
"""
