"""Where an upgrade changes the text tower, and what a plug-in loses there. Imports: as `chapters`."""
