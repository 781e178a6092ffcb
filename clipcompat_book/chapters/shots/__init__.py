"""Accuracy by number of training images. Imports: as `chapters`, and `miniature/cloth`."""
