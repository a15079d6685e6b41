"""Shards read: damaged ones, those of other makers, by name."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from panodepth.errors import ConfigError, InputError
from panodepth.lab.data import (
    SOURCES,
    Encoding,
    Shards,
    open_folder,
    open_shards,
    open_source,
    verify_shards,
    write_shards,
)
from panodepth.lab.data.shard_codec import encode
from panodepth.lab.data.shard_index import index_path

from .conftest import PAIRS_A_SHARD, make_image


def test_shards_can_go_to_worker_processes(big, tmp_path):
    write_shards(big, tmp_path / "out")
    for source in (big, open_shards(tmp_path / "out")):
        other = pickle.loads(pickle.dumps(source))
        np.testing.assert_array_equal(other[1].distance, source[1].distance)


def test_damage_is_told_with_the_file(big, tmp_path):
    out = tmp_path / "out"
    write_shards(big, out)
    tar = out / "big-000000.tar"
    content = bytearray(tar.read_bytes())
    shards = open_shards(out)
    member = shards.indexes[0].sample(1).files["distance.npy"]
    content[member.offset + member.size // 2] ^= 1
    tar.write_bytes(content)
    with pytest.raises(InputError, match=r"00000001_1\.distance\.npy is damaged"):
        shards[1]
    assert shards[0].mask.all()
    assert "SHA-256" in verify_shards(out)[0]
    tar.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cut short or replaced"):
        open_shards(out)
    with pytest.raises(InputError, match="cut short inside"):
        shards[3]
    tar.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        shards[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "damaged index"),
        ("[]", "damaged index"),
        ('{"format": "panodepth shard 9"}', "written as 'panodepth shard 9'"),
        ('{"format": "panodepth shard 1"}', "damaged index"),
    ],
)
def test_a_damaged_index(big, tmp_path, text, said):
    out = tmp_path / "out"
    write_shards(big, out)
    index_path(out / "big-000000.tar").write_text(text)
    with pytest.raises(InputError, match=said):
        open_shards(out)


@pytest.mark.parametrize(
    "row", [[-2, 5, 0], [0, -5, 0], [0, 2**62, 0], [2**62, 2**62, 0], [2**70, 1, 0]]
)
def test_an_index_that_points_outside(big, tmp_path, row):
    write_shards(big, tmp_path / "out")
    file = index_path(tmp_path / "out/big-000000.tar")
    content = json.loads(file.read_text())
    content["samples"][1][2] = row
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="damaged index"):
        open_shards(tmp_path / "out")


def test_a_tar_without_an_index_is_scanned(big, tmp_path):
    out = tmp_path / "out"
    write_shards(big, out)
    with_index = open_shards(out)
    tar = out / "big-000000.tar"
    index_path(tar).unlink()
    scanned = open_shards(tar)
    assert scanned.name == "big-000000"
    np.testing.assert_array_equal(scanned[2].distance, with_index[2].distance)
    assert "no big-000000.index.json" in verify_shards(out)[0]
    content = tar.read_bytes()
    for length in (300, 700, 3000, len(content) // 2, scanned.indexes[0].table[:, :, 0].max() + 9):
        tar.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cut short|not a whole"):
            open_shards(tar)


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def test_tars_of_other_makers(big, tmp_path):
    files = encode(big[0], Encoding())
    write_tar(tmp_path / "a.tar", {f"x/1.{e}": files[e] for e in ("jpg", "distance.npy")})
    sample = open_shards(tmp_path)[0]
    assert sample.mask.all()
    assert sample.meta["name"] == "x/1"
    assert sample.meta["unit"] == "relative"
    png = encode(big[0], Encoding(distance="png"))
    write_tar(tmp_path / "a.tar", {f"1.{e}": png[e] for e in ("jpg", "distance.png")})
    with pytest.raises(InputError, match="a scale in its JSON"):
        open_shards(tmp_path)[0]
    write_tar(tmp_path / "a.tar", {"1.jpg": b"not a jpeg", "1.distance.npy": b"no array"})
    with pytest.raises(InputError, match=r"a\.tar: 1: jpg: not a jpg, png"):
        open_shards(tmp_path)[0]
    write_tar(tmp_path / "a.tar", {"1.cls": b"4", "1.txt": b"cat"})
    with pytest.raises(InputError, match=r"no panorama in it; .* found cls, txt"):
        open_shards(tmp_path)
    (tmp_path / "a.tar").write_bytes(b"this is no tar" * 100)
    with pytest.raises(InputError, match="not a whole, uncompressed tar"):
        open_shards(tmp_path)


def test_no_shards(tmp_path):
    with pytest.raises(ConfigError, match=r"looked for \*\.tar"):
        open_shards(tmp_path)
    with pytest.raises(ConfigError, match=r"looked for \*\.tar"):
        open_shards(tmp_path / "nowhere")


def test_a_list_of_keys(big, tmp_path):
    out = tmp_path / "out"
    write_shards(big, out, limits=PAIRS_A_SHARD)
    file = tmp_path / "keys.txt"
    file.write_text("00000001_1\n00000004_4\n")
    shards = open_source("shards", out, split=file)
    assert [shards[i].meta["name"] for i in range(len(shards))] == ["1", "4"]
    file.write_text("00000001_1\nother\n")
    with pytest.raises(ConfigError, match=r"1 keys of .* are not in it, first other"):
        open_source("shards", out, split=file)


def test_plain_tarfile_and_webdataset_read_them(big, tmp_path):
    out = tmp_path / "out"
    write_shards(big, out)
    tar = out / "big-000000.tar"
    with tarfile.open(tar) as archive:
        assert archive.getnames()[:4] == [
            f"00000000_0.{ending}" for ending in ("jpg", "distance.npy", "mask.png", "json")
        ]
    webdataset = pytest.importorskip("webdataset")
    samples = list(webdataset.WebDataset(str(tar), shardshuffle=False))
    assert [s["__key__"] for s in samples] == [
        "00000000_0",
        "00000001_1",
        "00000003_3",
        "00000004_4",
    ]
    loaded = np.load(io.BytesIO(samples[0]["distance.npy"]))
    np.testing.assert_allclose(loaded, big[0].distance, rtol=2.0**-11)
    shards = open_shards(out)
    assert isinstance(shards, Shards)
    assert json.loads(samples[1]["json"])["meta"]["name"] == "1"


def test_every_kind_of_source_opens_by_name(folder):
    assert set(SOURCES) == {
        "folder",
        "structured3d",
        "stanford2d3d",
        "matterport3d",
        "panosuncg",
        "3d60",
        "tartanair2",
        "curated",
        "shards",
    }
    with pytest.raises(ConfigError, match="unknown source kind 'folders'; did you mean 'folder'"):
        open_source("folders", folder)


def test_pictures_keep_their_pixels_as_png(folder, tmp_path):
    write_shards(open_folder(folder), tmp_path / "out", encoding=Encoding(image="png"))
    sample = open_shards(tmp_path / "out")[1]
    np.testing.assert_array_equal(np.rint(sample.image * 255), make_image(1))
