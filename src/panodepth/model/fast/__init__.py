"""Faster routes to the same network; for inference alone."""
