"""Outdoor places: streets, squares, nature, and what stands in them."""
