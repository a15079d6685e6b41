"""Coloured point clouds."""
