"""Dual prompts: base against new classes, weights, negatives, and the same after an upgrade. Imports: as `chapters`."""
