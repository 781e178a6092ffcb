"""Plug-ins carried over an upgrade: sentences, tables, and what the controls say. Imports: as `chapters`."""
