"""A run from request to record, and records as tables. Imports: `studies` and below."""
