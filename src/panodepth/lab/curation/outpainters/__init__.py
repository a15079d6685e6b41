"""Learned out-painters: diffusion models that paint the rest of a panorama.

Importing this package loads neither torch nor diffusers; see docs/outpainting.md.
"""
