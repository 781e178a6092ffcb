"""The procedural world of the miniature and its data sets. Imports: `common`."""
