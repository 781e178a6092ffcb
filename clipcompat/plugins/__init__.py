"""Plug-ins: the file, `fit`, the plug-ins kept beside records, and export. Imports: `methods` and below."""
