"""What only the chapters use: figures, sentences, committed records. Imports: `clipcompat`, never the reverse."""
