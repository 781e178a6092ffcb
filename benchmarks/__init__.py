"""Measurements: ratios from one process, never a lone time. `make bench` runs them; nothing here is a test."""
