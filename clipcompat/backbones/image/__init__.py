"""The image tower of plain CLIP ViTs, a few pictures at a time. Imports: `common`."""
