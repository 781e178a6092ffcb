"""One experiment per file: accuracy, compatibility, and summaries over seeds. Imports: `plugins` and below."""
