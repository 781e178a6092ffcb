"""Downloads and checks of public data sets. Imports: `data/public` and below."""
