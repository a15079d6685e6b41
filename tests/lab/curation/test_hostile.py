"""Mutated frames, cameras, lists and annotations: a frame, a rejection, or one line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.lab.curation.conftest import SIZE, Made

from panodepth.errors import ConfigError, InputError, PanodepthError
from panodepth.images.arrays import check_count
from panodepth.lab.curation.frame import RejectedError
from panodepth.lab.curation.sources import annotated, open_frame_source

CAMERA = {"fx": 16, "fy": 16, "cx": 8, "cy": 6, "width": 16, "height": 12}


def plain(made: Made) -> None:
    made.image("f/a.png")
    np.savez(made.path("f/a_depth.npz"), z_depth=np.ones(SIZE, np.float32))
    made.json("f/a.json", {"x_fov_deg": 53.13, "pose": np.eye(4).tolist(), "unit": "m"})
    made.json("f/camera.json", {"intrinsics": CAMERA, "scale": 0.001})


def by_list(made: Made) -> None:
    made.image("f/a.png")
    made.codes("f/a_d.png", np.ones(SIZE))
    said = {"pairs": [["a.png", "a_d.png"]], "depth": "value / 1000", "intrinsics": CAMERA}
    made.json("f/meta.json", {**said, "trajectory": "t.log"})
    lines = ["0 0 1", *(" ".join(map(str, row)) for row in np.eye(4).tolist())]
    made.text("f/t.log", "\n".join(lines))


def vkitti2(made: Made) -> None:
    place = "f/Scene01/clone"
    made.image(f"{place}/frames/rgb/Camera_0/rgb_00000.jpg")
    made.codes(f"{place}/frames/depth/Camera_0/depth_00000.png", np.full(SIZE, 100))
    made.text(f"{place}/intrinsic.txt", "frame cameraID a b c d\n0 0 16 16 7.5 5.5\n")
    numbers = " ".join(str(v) for v in np.eye(4).ravel())
    made.text(f"{place}/extrinsic.txt", f"frame cameraID r\n0 0 {numbers}\n")


def replica(made: Made) -> None:
    made.image("f/s/images/a.png")
    made.codes("f/s/depths/a.geometric.png", np.full(SIZE, np.float16(2).view(np.uint16)))
    view = {"R": np.eye(3).tolist(), "T": [0, 0, 0], "focal_length": [2, 2]}
    record = {
        "image": {"path": "s/images/a.png", "size": list(SIZE)},
        "depth": {"path": "s/depths/a.geometric.png", "scale_adjustment": 1.0},
        "viewpoint": {**view, "principal_point": [0, 0]},
    }
    content = gzip.compress(json.dumps([record]).encode())
    made.path("f/frame_annotations_train.jgz").write_bytes(content)


SETS: dict[str, tuple[str, Callable[[Made], None]]] = {
    "plain": ("frames", plain),
    "list": ("frames", by_list),
    "vkitti2": ("vkitti2", vkitti2),
    "replica": ("dynamic_replica", replica),
}


def read_all(kind: str, root: Path) -> int:
    """How many frames could be read; anything but a rejection or our errors goes through."""
    read = 0
    try:
        source = open_frame_source(kind, root)
        for index in range(len(source)):
            try:
                read += source[index].size == SIZE
            except RejectedError as error:
                assert error.reason  # noqa: PT017 - either outcome is right
                assert "\n" not in error.detail  # noqa: PT017
    except PanodepthError as error:
        assert "\n" not in str(error)  # noqa: PT017
    return read


@pytest.mark.parametrize("name", list(SETS))
def test_the_sets_read_as_they_are(made: Made, name: str) -> None:
    kind, make = SETS[name]
    make(made)
    assert read_all(kind, made.root / "f") == 1


@pytest.mark.parametrize("name", list(SETS))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_mutated_sets_give_a_frame_a_rejection_or_one_line(
    made: Made, name: str, data: st.DataObject
) -> None:
    kind, make = SETS[name]
    make(made)
    found = sorted(p for p in (made.root / "f").rglob("*") if p.is_file())
    path = data.draw(st.sampled_from(found))
    content = bytearray(path.read_bytes())
    if path.suffix == ".jgz":  # inside, or else its checksum catches all
        content = bytearray(gzip.decompress(content))
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[at] = data.draw(st.integers(0, 255))
    stop = data.draw(st.integers(len(content) // 2, len(content)))
    path.write_bytes(
        gzip.compress(content[:stop]) if path.suffix == ".jgz" else bytes(content[:stop])
    )
    read_all(kind, made.root / "f")


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b"{}",
        b"3",
        b'[{"image": 3}]',
        b'[{"image": {"path": 3}}]',
        b"\xff\xfe",
        b"9" * 5000,
    ],
)
def test_foreign_annotations_are_named(made: Made, content: bytes) -> None:
    file = made.path("f/frame_annotations_train.jgz")
    file.write_bytes(gzip.compress(content))
    with pytest.raises(ConfigError) as caught:
        open_frame_source("dynamic_replica", made.root / "f")
    assert "\n" not in str(caught.value)
    file.write_bytes(gzip.compress(content)[:-9])
    with pytest.raises(ConfigError):
        open_frame_source("dynamic_replica", made.root / "f")


def test_annotations_that_unpack_to_more_than_any_set_has(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotated, "MAX_ANNOTATION_BYTES", 1 << 20)
    made.path("f/frame_annotations_train.jgz").write_bytes(gzip.compress(bytes(1 << 21)))
    with pytest.raises(ConfigError, match="unpacks to more than 1 MiB"):
        open_frame_source("dynamic_replica", made.root / "f")


def test_hdf5_is_measured_before_it_is_unpacked(made: Made) -> None:
    h5py = pytest.importorskip("h5py")
    path = made.path("big.hdf5")
    with h5py.File(path, "w") as file:
        shape = (40_000, 80_000)
        file.create_dataset("dataset", shape, "f4", chunks=(100, 100), compression="gzip")
    with pytest.raises(InputError, match="3,200,000,000 values"):
        annotated._dataset(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="no readable HDF5"):
        annotated._dataset(path)
    made.path("nyu_depth_v2_labeled.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(ConfigError, match=r"no readable \.mat"):
        open_frame_source("nyu", made.root)
    with pytest.raises(InputError, match="at most"):
        check_count(1 << 40, "x")
