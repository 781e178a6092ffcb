"""The image tower; plain CLIP ViTs run through blocks of our own. Visual prompts. Imports: `backbones.device`."""
