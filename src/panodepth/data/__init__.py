"""Panoramas with distance, from wherever they come: readers, shards, and mixtures of them.

Everything here is numpy; torch is imported only when something is resized.
"""

from panodepth.data.folder import open_folder
from panodepth.data.layouts import (
    open_matterport3d,
    open_panosuncg,
    open_stanford2d3d,
    open_structured3d,
)
from panodepth.data.mixture import Mixture, epoch_order
from panodepth.data.registry import SOURCES, open_source
from panodepth.data.resized import load_resized, resize_panorama
from panodepth.data.shard_codec import Encoding
from panodepth.data.shard_job import Written, write_shards
from panodepth.data.shard_writer import ShardLimits, ShardWriter
from panodepth.data.shards import Shards, open_shards, verify_shards
from panodepth.data.source import PanoramaSource, make_panorama

__all__ = [
    "SOURCES",
    "Encoding",
    "Mixture",
    "PanoramaSource",
    "ShardLimits",
    "ShardWriter",
    "Shards",
    "Written",
    "epoch_order",
    "load_resized",
    "make_panorama",
    "open_folder",
    "open_matterport3d",
    "open_panosuncg",
    "open_shards",
    "open_source",
    "open_stanford2d3d",
    "open_structured3d",
    "resize_panorama",
    "verify_shards",
    "write_shards",
]
