"""Plug-ins carried, repaired without labels and retrained: figures, tables, sentences. Imports: as `chapters`."""
