"""Measurements: ratios from one process, never a lone time. `make bench` runs most of them; nothing here is a test."""
