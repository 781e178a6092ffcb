"""Tests mirror the package; slow, independent references are in tests/reference."""
