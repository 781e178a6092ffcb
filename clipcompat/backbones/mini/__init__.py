"""The embedded miniature backbones: architectures, tokenizer, and the weights that ship. Imports: `common`."""
