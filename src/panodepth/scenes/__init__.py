"""Synthetic panoramas with exact distance, normals and sky mask: rooms and outdoor places."""

from panodepth.scenes.render import Priors, SceneBatch, make_scene, render_batch, render_scenes
from panodepth.scenes.views import ViewBatch, ViewSpec, render_views

__all__ = [
    "Priors",
    "SceneBatch",
    "ViewBatch",
    "ViewSpec",
    "make_scene",
    "render_batch",
    "render_scenes",
    "render_views",
]
