"""Perspective RGB-D becomes panoramas: sources, projection, out-painting, stitching, gates, shards.

Everything here is numpy and OpenCV; each stage is a pure function `frame -> sample`, or raises
`RejectedError`.
"""
