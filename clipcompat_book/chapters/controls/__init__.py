"""The two controls that are no upgrades: mixed towers, and conditions of other classes. Imports: as `chapters`."""
