"""Checks of the exercises, one file per chapter. Imports: `clipcompat`."""
