"""What only the chapters use: figures, sentences, committed records. It imports `clipcompat`, never the reverse."""
