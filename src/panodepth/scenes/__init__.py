"""Synthetic panoramas with exact distance, normals and sky mask: rooms and outdoor places."""

from panodepth.scenes.render import SceneBatch, make_scene, render_batch, render_scenes

__all__ = ["SceneBatch", "make_scene", "render_batch", "render_scenes"]
