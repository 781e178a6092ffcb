"""What every room stands on: errors, files, configuration, progress, terminal. Imports nothing of this package."""
