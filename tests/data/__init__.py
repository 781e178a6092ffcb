"""Tests of clipcompat.data."""
