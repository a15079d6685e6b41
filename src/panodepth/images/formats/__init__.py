"""Decoders: one file per kind of picture, and what they share. `images.files` calls them."""
