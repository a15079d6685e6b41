"""The stream: a pure function of the batch number, for any workers, cache or starting point."""

import dataclasses
import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
import torch

from panodepth.errors import ConfigError, PanodepthError
from panodepth.lab.training.config import DataConfig
from panodepth.lab.training.feed.cache import ChunkCache
from panodepth.lab.training.feed.rendering import RESTARTS, Cancelled, ChunkFactory
from panodepth.lab.training.feed.samples import Stored, mix_seed, render_stored
from panodepth.lab.training.feed.scenes import SceneStream
from panodepth.lab.worlds.priors import STATES

DATA = DataConfig(height=14, width=28, batch=4, chunk=8, reuse=2, workers=0, render_batch=4, seed=5)
PER_EPOCH = DATA.chunk * DATA.reuse // DATA.batch  # batches


def stream(renderer, data=DATA):
    return SceneStream(data, ChunkFactory(data, renderer))


def positions(batch):
    return range(batch * DATA.batch, (batch + 1) * DATA.batch)


def stored(made, batch):
    return made.samples(positions(batch))


def scene_indices(made, batch):
    return [made.scene_index(p) for p in positions(batch)]


def assert_same(a: Stored, b: Stored):
    assert torch.equal(a.image, b.image)
    assert torch.equal(a.distance, b.distance)


def test_batches_do_not_depend_on_where_one_starts(renderer):
    first = stream(renderer)
    whole = [stored(first, m) for m in range(12)]
    late = stream(renderer)
    for m in (9, 10, 3, 11):
        assert_same(stored(late, m), whole[m])


def test_every_panorama_is_seen_reuse_times_once_an_epoch(renderer):
    made = stream(renderer)
    seen = Counter()
    epochs = 6
    for m in range(epochs * PER_EPOCH):
        seen.update(scene_indices(made, m))
    for epoch in range(epochs):
        numbers = range(epoch * PER_EPOCH, (epoch + 1) * PER_EPOCH)
        within = Counter(i for m in numbers for i in scene_indices(made, m))
        assert set(within.values()) == {1}
        assert set(within) == set(range(epoch * 8, (epoch + 2) * 8))
    settled = [seen[i] for i in range(8, epochs * 8)]
    assert set(settled) == {2}


def test_scene_indices_name_what_is_in_the_batch(renderer):
    made = stream(renderer)
    batch = stored(made, 5)
    again = renderer(DATA.seed, scene_indices(made, 5), 14, 28)
    assert torch.equal(torch.isinf(batch.distance), again.sky)
    valid = again.valid
    assert torch.equal(batch.distance[valid], again.distance[valid])


def test_first_index_shifts_the_world(renderer):
    shifted = dataclasses.replace(DATA, first_index=100)
    assert scene_indices(stream(renderer, shifted), 0) == [
        i + 100 for i in scene_indices(stream(renderer), 0)
    ]


def test_decode_separates_surface_sky_and_unknown():
    distance = torch.tensor([[[2.0, 0.0, torch.inf]]])
    image = torch.full((1, 3, 1, 3), 255, dtype=torch.uint8)
    batch = Stored(image, distance).decode()
    assert batch.truth.valid.tolist() == [[[True, False, False]]]
    assert batch.truth.sky.tolist() == [[[False, False, True]]]
    assert torch.isfinite(batch.truth.distance).all()
    assert batch.image.max() == 1.0


def test_workers_give_the_same_panoramas_as_this_process():
    """The package's own renderer in two processes, and here."""
    data = dataclasses.replace(DATA, height=28, width=56, chunk=4, render_batch=2, reuse=1)
    with ChunkFactory(dataclasses.replace(data, workers=2)) as factory:
        factory.begin(1)
        there = factory.get(1)
    here = ChunkFactory(data).get(1)
    assert_same(there, here)
    assert there.image.float().std() > 1


def test_cache_is_shared_and_survives_damage(tmp_path, renderer):
    data = dataclasses.replace(DATA, cache=str(tmp_path))
    original = ChunkFactory(data, renderer).get(2)

    def refuse(*args, **kwargs):
        raise AssertionError("rendered although cached")

    other = ChunkFactory(data, refuse)
    assert_same(other.get(2), original)
    assert other.rendered == 0
    (file,) = tmp_path.glob("*/chunk_000002.npz")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    again = ChunkFactory(data, renderer)
    assert_same(again.get(2), original)
    assert again.rendered == data.chunk
    assert_same(ChunkFactory(data, refuse).get(2), original)


def test_cache_of_other_settings_is_another_folder(tmp_path, renderer):
    for seed in (1, 2):
        ChunkFactory(dataclasses.replace(DATA, cache=str(tmp_path), seed=seed), renderer).get(0)
    folders = sorted(tmp_path.iterdir())
    assert len(folders) == 2
    assert json.loads((folders[0] / "identity.json").read_text())["seed"] in (1, 2)
    assert not list(Path(tmp_path).rglob(".*"))


def test_cache_of_another_version_of_the_worlds_is_another_folder(tmp_path, renderer):
    first = dataclasses.replace(DATA, cache=str(tmp_path))
    kept = {ChunkCache(tmp_path, dataclasses.replace(first, worlds=n)).folder for n in (1, 2)}
    assert len(kept) == 2


def test_cache_in_an_impossible_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"data\.cache"):
        ChunkFactory(dataclasses.replace(DATA, cache=str(tmp_path / "file")))


def test_cache_is_made_with_its_first_chunk_and_not_before(tmp_path, renderer):
    data = dataclasses.replace(DATA, cache=str(tmp_path / "cache"))
    factory = ChunkFactory(data, renderer)
    assert not list(tmp_path.iterdir())
    factory.get(0)
    (folder,) = (tmp_path / "cache").iterdir()
    names = {path.name for path in folder.iterdir()}
    assert names == {"identity.json", "chunk_000000.npz", "chunk_000000.json"}


class FakePool:
    """Stands in for the worker processes: renders at once, and breaks the first `deaths` times."""

    def __init__(self, factory, deaths, monkeypatch):
        self.factory = factory
        self.deaths = deaths
        self.calls = 0
        monkeypatch.setattr(factory, "_submit", self.submit)

    def submit(self, chunk):
        self.calls += 1
        return [self.future(part) for part in self.factory._parts(chunk)]

    def future(self, part):
        future = Future()
        if self.calls <= self.deaths:
            future.set_exception(BrokenProcessPool())
        else:
            made = render_stored(self.factory.renderer, self.factory.data, part)
            future.set_result((made.image.numpy(), made.distance.numpy()))
        return future


@pytest.mark.parametrize("deaths", [0, 1, RESTARTS])
def test_dead_workers_are_replaced(renderer, monkeypatch, deaths):
    data = dataclasses.replace(DATA, workers=1)
    factory = ChunkFactory(data, renderer)
    pool = FakePool(factory, deaths, monkeypatch)
    assert_same(factory.get(0), ChunkFactory(DATA, renderer).get(0))
    assert pool.calls == deaths + 1


def test_workers_that_keep_dying_end_the_run(renderer, monkeypatch):
    factory = ChunkFactory(dataclasses.replace(DATA, workers=1), renderer)
    FakePool(factory, 99, monkeypatch)
    with pytest.raises(PanodepthError, match="workers died"):
        factory.get(1)


def test_damaged_cache_is_rendered_again_by_workers(renderer, monkeypatch, tmp_path):
    data = dataclasses.replace(DATA, workers=1, cache=str(tmp_path))
    original = ChunkFactory(dataclasses.replace(data, workers=0), renderer).get(0)
    (file,) = tmp_path.glob("*/chunk_000000.npz")
    file.write_bytes(b"")
    factory = ChunkFactory(data, renderer)
    pool = FakePool(factory, 0, monkeypatch)
    factory.begin(0)
    assert_same(factory.get(0), original)
    assert pool.calls == 1


def test_cache_of_an_earlier_state_of_the_worlds_is_used_but_said_so(
    renderer, monkeypatch, tmp_path
):
    data = dataclasses.replace(DATA, cache=str(tmp_path))
    ChunkFactory(data, renderer).get(0)
    assert not ChunkFactory(data, renderer).stale_cache
    monkeypatch.setitem(STATES, data.worlds, STATES[data.worlds] + 1)
    assert ChunkFactory(data, renderer).stale_cache


def test_waiting_for_data_can_be_cancelled(renderer):
    factory = ChunkFactory(DATA, renderer, cancelled=lambda: True)
    with pytest.raises(Cancelled):
        factory.get(0)


def test_mixed_seeds_differ():
    seeds = {mix_seed(a, b) for a in range(30) for b in range(30)}
    assert len(seeds) == 900
    assert mix_seed(1, 2) == mix_seed(1, 2)
    assert all(0 <= s < 2**63 for s in seeds)
    assert isinstance(np.int64(max(seeds)), np.int64)


ORPHAN = """
import multiprocessing, os, time

def stay(ready):
    number = os.getppid()
    os.getppid = lambda: number  # as on Windows, whatever became of the parent
    from panodepth.lab.training.feed.rendering import _start_worker
    _start_worker(1)
    ready.send(None)
    time.sleep(300)

if __name__ == "__main__":
    here, there = multiprocessing.Pipe()
    multiprocessing.get_context("spawn").Process(target=stay, args=(there,)).start()
    there.close()
    here.recv()
    os._exit(0)
"""


def test_workers_end_with_the_process_that_started_them(tmp_path):
    (tmp_path / "orphan.py").write_text(ORPHAN)
    # returns when nobody holds its standard output any more
    command = [sys.executable, "orphan.py"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=250)
