"""The measured speed and memory of the fast paths. Imports: as `chapters`."""
