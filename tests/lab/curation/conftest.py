"""Made mini-samples: one picture and depth, laid out as each public set lays them out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

SIZE = (12, 16)  # (h, w) of the made frames


class Made:
    """Writes the files of mini-samples below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def image(self, name: str, size: tuple[int, int] = SIZE, channels: int = 3) -> None:
        rng = np.random.default_rng(1)
        pixels = rng.integers(0, 255, (*size, channels)).astype(np.uint8)
        if channels == 4:
            pixels[..., 3] = 255
        assert cv2.imwrite(str(self.path(name)), pixels)

    def codes(self, name: str, values: np.ndarray[Any, Any]) -> None:
        assert cv2.imwrite(str(self.path(name)), values.astype(np.uint16))

    def exr(self, name: str, values: np.ndarray[Any, Any]) -> None:
        import OpenEXR

        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        plane = {"Y": values.astype(np.float32)}
        OpenEXR.File(header, plane).write(str(self.path(name)))

    def npy(self, name: str, values: np.ndarray[Any, Any]) -> None:
        np.save(self.path(name), values)

    def text(self, name: str, content: str) -> None:
        self.path(name).write_text(content, encoding="utf-8")

    def json(self, name: str, content: Any) -> None:
        self.text(name, json.dumps(content))

    def hdf5(self, name: str, values: Any) -> None:
        h5py = pytest.importorskip("h5py")
        with h5py.File(self.path(name), "w") as file:
            file["dataset"] = values

    def path(self, name: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a tiny out-painting model, made once."""
    from tests.lab.curation.tiny_painters import save_tiny

    root = tmp_path_factory.mktemp("tiny")
    found: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in found:
            found[name] = save_tiny(name, root / name)
        return found[name]

    return folder


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)
