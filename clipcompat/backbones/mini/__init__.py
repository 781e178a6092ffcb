"""The embedded miniature backbones: architectures, tokenizer and shipped weights. Imports: `backbones`, `common`."""
