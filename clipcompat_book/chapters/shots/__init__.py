"""Accuracy by number of training images."""
