"""Images to cached image features: encoding, one pass for several towers, the file on disk.

Imports: `backbones` and below.
"""
