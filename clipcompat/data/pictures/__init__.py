"""From picture files to RGB pixels: decoding, broken files, samples given by number. Imports: `common`."""
