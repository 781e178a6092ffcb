"""From picture files to RGB pixels: decoding, broken files, samples by number. Imports: `data/split`, `common`."""
