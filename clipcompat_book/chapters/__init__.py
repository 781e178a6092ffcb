"""Charts, sentences and tables of the chapters, one folder per subject."""
