"""Upgrades one after the other, warm starts, and where plug-ins can be carried at all. Imports: as `chapters`."""
