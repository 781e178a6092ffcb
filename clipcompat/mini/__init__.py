"""The embedded miniature upgrade: a procedural world, its captions, its datasets, and the recipe of its weights."""
