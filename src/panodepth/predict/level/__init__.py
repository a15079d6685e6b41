"""Tilted pictures: turned upright for the network, and what it says turned back."""
