"""The image tower; plain CLIP ViTs run through blocks of our own. Imports: `backbones.device`."""
