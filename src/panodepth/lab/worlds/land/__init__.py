"""Outdoor worlds that reach far: valleys, ridges, plains, shores, roads, large squares, towns."""
