"""Independent slow references: they share nothing with the package."""
