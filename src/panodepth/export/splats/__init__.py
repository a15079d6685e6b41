"""Gaussian splats: one flat disc for each point."""
