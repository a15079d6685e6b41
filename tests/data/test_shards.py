"""Shards: what goes in comes out, whole or not at all, and the same bytes each time."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from panodepth.data import (
    SOURCES,
    Encoding,
    ShardLimits,
    Shards,
    ShardWriter,
    make_panorama,
    open_folder,
    open_shards,
    open_source,
    verify_shards,
    write_shards,
)
from panodepth.data.shard_codec import decode, encode
from panodepth.data.shard_index import index_path
from panodepth.errors import ConfigError, InputError, OutputError

from .conftest import H, W, make_distance, make_image, write_pair

PAIRS_A_SHARD = ShardLimits(max_samples=2)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def big(tmp_path):
    """Five samples, of which number 2 is broken."""
    for i in range(5):
        write_pair(tmp_path / "big", f"{i}", i)
    (tmp_path / "big/2_distance.npz").write_bytes(b"broken")
    return open_folder(tmp_path / "big")


# ---------------------------------------------------------------- one sample

distances = hnp.arrays(
    np.float32,
    (H, W),
    elements=st.sampled_from([0.0, np.inf])
    | st.floats(0.0009765625, 60000, width=32)
    | st.just(np.float32(1.5)),
    fill=st.just(np.float32(2)),
)


@settings(deadline=None, max_examples=40)
@given(distances, st.floats(1e-6, 1e5))
def test_distance_comes_back_to_half_precision(distance, factor):
    distance = np.asarray(distance * np.float32(factor), np.float32)
    distance[0, :2] = [np.nan, factor]
    panorama = make_panorama(np.zeros((H, W, 3)), distance, None, {"unit": "m"}, "x")
    back = decode(encode(panorama, Encoding()), "x", {})
    np.testing.assert_array_equal(back.mask, panorama.mask)
    np.testing.assert_array_equal(np.isinf(back.distance), np.isinf(panorama.distance))
    valid = panorama.mask
    floor = panorama.distance[valid].max() * 2.0**-29  # far below the range of half precision
    known = valid & (panorama.distance > floor)
    np.testing.assert_allclose(back.distance[known], panorama.distance[known], rtol=2.0**-11)
    assert (back.distance[valid] > 0).all()


@settings(deadline=None, max_examples=40)
@given(distances)
def test_distance_comes_back_to_a_step_of_the_16_bit_png(distance):
    distance[0, 0] = 3
    panorama = make_panorama(np.zeros((H, W, 3)), distance, None, {}, "x")
    back = decode(encode(panorama, Encoding(distance="png")), "x", {})
    np.testing.assert_array_equal(back.mask, panorama.mask)
    np.testing.assert_array_equal(np.isinf(back.distance), np.isinf(panorama.distance))
    valid = panorama.mask
    step = panorama.distance[valid].max() / 65534
    assert np.abs(back.distance[valid] - panorama.distance[valid]).max() <= step * 1.001


@pytest.mark.parametrize(("kind", "tolerance"), [("png", 0), ("jpg", 20)])
def test_pictures_and_provenance(kind, tolerance):
    meta = {"name": "room", "unit": "m", "source": "S", "licence": "CC0-1.0", "seed": 7}
    smooth = np.linspace(0, 255, W).astype(np.uint8)[None, :, None] * np.ones((H, 1, 3), np.uint8)
    image = smooth.astype(np.float32) / 255
    distance = make_distance()
    distance[:4] = np.inf
    files = encode(make_panorama(image, distance, None, meta, "x"), Encoding(image=kind))
    assert list(files) == [kind, "distance.npy", "mask.png", "json"]
    back = decode(files, "x", {})
    assert np.abs(back.image - image).max() <= tolerance / 255
    for key, value in meta.items():
        assert back.meta[key] == value
    provenance = json.loads(files["json"])
    assert provenance["coverage"] == {"valid": 0.75, "sky": 0.25} == back.meta["coverage"]
    assert set(provenance["sha256"]) == {kind, "distance.npy", "mask.png"}
    json.dumps(back.meta)


@pytest.mark.parametrize("bad", [{"image": "gif"}, {"distance": "exr"}, {"quality": 0}])
def test_encodings_that_do_not_exist(bad):
    with pytest.raises(ConfigError):
        Encoding(**bad)


# ---------------------------------------------------------------- many samples


def test_a_source_goes_into_shards_and_comes_back(big, tmp_path):
    done: list[int] = []
    out = tmp_path / "out"
    meta = {"licence": "CC0-1.0", "seed": 3, "size": (1, 2), "made": Path("by/us")}
    written = write_shards(big, out, limits=PAIRS_A_SHARD, meta=meta, on_sample=done.append)
    assert [path.name for path in written.shards] == ["big-000000.tar", "big-000001.tar"]
    assert written.samples == 4
    assert [number for number, _ in written.skipped] == [2]
    assert "2_distance.npz" in written.skipped[0][1]
    assert done == [0, 1, 3, 4]
    assert write_shards(big, out, limits=PAIRS_A_SHARD, meta=meta).samples == 4
    assert verify_shards(out) == []
    shards = open_source("shards", out)
    assert len(shards) == 4
    for place, number in enumerate((0, 1, 3, 4)):
        found, expected = shards[place], big[number]
        np.testing.assert_allclose(found.distance, expected.distance, rtol=2.0**-11)
        np.testing.assert_array_equal(found.mask, expected.mask)
        assert found.meta["name"] == str(number)
        assert found.meta["source"] == "big"
        assert (found.meta["licence"], found.meta["seed"]) == ("CC0-1.0", 3)
    with pytest.raises(IndexError):
        shards[4]


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4])
def test_a_stopped_run_goes_on_and_writes_the_same_bytes(big, tmp_path, stop_after):
    whole, out = tmp_path / "whole", tmp_path / "out"
    expected = write_shards(big, whole, limits=PAIRS_A_SHARD)

    class StopError(Exception):
        pass

    seen: list[int] = []

    def stop(number: int) -> None:
        seen.append(number)
        if len(seen) == stop_after:
            raise StopError

    with pytest.raises(StopError):
        write_shards(big, out, limits=PAIRS_A_SHARD, on_sample=stop)
    assert not list(out.glob(".*"))  # nothing half-written is left
    resumed: list[int] = []
    written = write_shards(big, out, limits=PAIRS_A_SHARD, on_sample=resumed.append)
    assert files_of(out) == files_of(whole)
    assert written.samples == expected.samples
    assert written.skipped == expected.skipped
    assert len(resumed) < 4 or stop_after <= 2
    again: list[int] = []
    assert write_shards(big, out, limits=PAIRS_A_SHARD, on_sample=again.append).samples == 4
    assert again == []


def test_a_shard_that_lost_its_index_or_its_end_is_written_anew(big, tmp_path):
    out = tmp_path / "out"
    write_shards(big, out, limits=PAIRS_A_SHARD)
    before = files_of(out)
    index_path(out / "big-000001.tar").unlink()
    (out / "big-000000.tar").write_bytes(before["big-000000.tar"][:5000])
    write_shards(big, out, limits=PAIRS_A_SHARD)
    assert files_of(out) == before


def test_other_settings_or_another_source_are_refused(big, folder, tmp_path):
    out = tmp_path / "out"
    write_shards(big, out, limits=PAIRS_A_SHARD)
    with pytest.raises(OutputError, match="another source or with other settings"):
        write_shards(big, out, limits=PAIRS_A_SHARD, encoding=Encoding(image="png"))
    write_shards(open_folder(folder), out)  # a prefix of its own: data sets can share a folder
    assert len(open_shards(out)) == 7


def test_the_size_limit(tmp_path, big):
    out = tmp_path / "out"
    one = sum(map(len, encode(big[0], Encoding()).values()))
    write_shards(big, out, limits=ShardLimits(max_bytes=int(2.5 * one)))
    assert [len(index) for index in open_shards(out).indexes] == [2, 2]
    write_shards(big, tmp_path / "single", limits=ShardLimits(max_bytes=1))
    assert len(open_shards(tmp_path / "single").tars) == 4
    with pytest.raises(ConfigError):
        ShardLimits(max_samples=0)


def test_nothing_usable_is_an_error_and_writes_nothing(tmp_path):
    write_pair(tmp_path / "in", "x")
    (tmp_path / "in/x.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"none of 1 samples can be used: .*x\.png"):
        write_shards(open_folder(tmp_path / "in"), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


def test_a_place_that_cannot_be_written(big, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_shards(big, tmp_path / "file" / "out")


def test_a_writer_for_streams(tmp_path):
    panorama = make_panorama(np.zeros((H, W, 3)), make_distance(), None, {"seed": 1}, "x")
    with ShardWriter(tmp_path, "worker3", limits=PAIRS_A_SHARD) as writer:
        for i in range(3):
            writer.add(panorama, f"scene.{i}/view")
    shards = open_shards(tmp_path)
    assert [index.keys for index in shards.indexes] == [
        ["scene_0_view", "scene_1_view"],
        ["scene_2_view"],
    ]
    assert shards[2].meta["shard"] == {"file": "worker3-000001.tar", "key": "scene_2_view"}
    with pytest.raises(ConfigError, match="prefix"):
        ShardWriter(tmp_path, "a/b")
    with pytest.raises(RuntimeError), ShardWriter(tmp_path, "worker4") as writer:  # noqa: PT012
        writer.add(panorama, "x")
        raise RuntimeError
    assert not list(tmp_path.glob("*worker4*"))


# ---------------------------------------------------------------- reading


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
    with pytest.raises(InputError, match="damaged sample"):
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
        "curated",
        "shards",
    }
    with pytest.raises(ConfigError, match="source kind 'folders'; choose one of folder, "):
        open_source("folders", folder)


def test_pictures_keep_their_pixels_as_png(folder, tmp_path):
    write_shards(open_folder(folder), tmp_path / "out", encoding=Encoding(image="png"))
    sample = open_shards(tmp_path / "out")[1]
    np.testing.assert_array_equal(np.rint(sample.image * 255), make_image(1))
