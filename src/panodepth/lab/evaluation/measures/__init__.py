"""Alignment and every measure of one prediction against the truth, plain NumPy."""
