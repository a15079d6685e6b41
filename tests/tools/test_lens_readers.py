"""Lenses and tags as two other programs read them: FFmpeg's `v360` filter and exiftool."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.images.test_gpano import EXIFTOOL, packet

from panodepth.images.gpano import pano_tags

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "v360_reference.py"
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool")


@needs_ffmpeg
def test_every_projection_is_ffmpegs() -> None:
    told = subprocess.run(
        [sys.executable, str(BENCHMARK)], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.strip("| ").split(" | ") for line in told.splitlines()[2:]]
    assert len(rows) == 13
    for name, mean, most in rows:
        assert (float(mean) < 0.06, float(most) < 0.12) == (True, True), name


@needs_exiftool
@pytest.mark.parametrize("elements", [False, True])
def test_every_tag_is_exiftools(elements: bool, tmp_path: Path) -> None:
    xmp = packet(EXIFTOOL, elements)
    file = io.BytesIO()
    Image.fromarray(np.full((32, 64, 3), 99, np.uint8)).save(file, "JPEG", xmp=xmp)
    (tmp_path / "a.jpg").write_bytes(file.getvalue())
    command = ["exiftool", "-j", "-n", "-XMP-GPano:all", str(tmp_path / "a.jpg")]
    said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)[0]
    said.pop("SourceFile")
    assert said == pano_tags(xmp, "a.jpg")
