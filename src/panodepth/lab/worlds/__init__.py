"""Synthetic panoramas with exact distance, normals and sky mask: rooms and outdoor places."""

from panodepth.lab.worlds.panoramas import SceneBatch, render_batch, render_scenes
from panodepth.lab.worlds.priors import Priors
from panodepth.lab.worlds.scenes import make_scene
from panodepth.lab.worlds.views import ViewBatch, ViewSpec, render_views

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
