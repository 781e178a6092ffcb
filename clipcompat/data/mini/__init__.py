"""The procedural world of the miniature and its data sets. Imports: `data` (drawing, sampling, split), `common`."""
