"""Sources written into shards: whole, resumed, refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from panodepth.errors import ConfigError, InputError, OutputError
from panodepth.lab.data import (
    Encoding,
    ShardLimits,
    ShardWriter,
    make_panorama,
    open_folder,
    open_shards,
    open_source,
    verify_shards,
    write_shards,
)
from panodepth.lab.data.shard_codec import encode
from panodepth.lab.data.shard_index import index_path

from .conftest import PAIRS_A_SHARD, H, W, files_of, make_distance, write_pair


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
