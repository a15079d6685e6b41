"""Panoramas with distance, from wherever they come: readers, shards, and mixtures of them.

Everything here is numpy; torch is imported only when something is resized.
"""

from panodepth.lab.data.folder import open_folder
from panodepth.lab.data.layouts import MATTERPORT3D, PANOSUNCG, STANFORD2D3D, open_structured3d
from panodepth.lab.data.mixture import Mixture, epoch_order
from panodepth.lab.data.registry import SOURCES, open_source
from panodepth.lab.data.resized import load_resized, resize_panorama
from panodepth.lab.data.shard_codec import Encoding
from panodepth.lab.data.shard_job import Written, write_shards
from panodepth.lab.data.shard_writer import ShardLimits, ShardWriter
from panodepth.lab.data.shards import Shards, open_shards, verify_shards
from panodepth.lab.data.source import PanoramaSource, make_panorama

__all__ = [
    "MATTERPORT3D",
    "PANOSUNCG",
    "SOURCES",
    "STANFORD2D3D",
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
    "open_shards",
    "open_source",
    "open_structured3d",
    "resize_panorama",
    "verify_shards",
    "write_shards",
]
