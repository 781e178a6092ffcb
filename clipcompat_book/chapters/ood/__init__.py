"""Plug-ins on shifted pictures, on old and carried to new: losses, correlations, figures. Imports: as `chapters`."""
