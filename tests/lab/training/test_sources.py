"""Panoramas from disk: mixed by weight, read ahead, partly known, sometimes broken."""

import dataclasses
import json
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from panodepth.errors import ConfigError, InputError, PanodepthError
from panodepth.lab.losses import LossConfig, training_loss
from panodepth.lab.training import train
from panodepth.lab.training.config import DataConfig, SourceConfig, config_from_dict
from panodepth.lab.training.distance.task import DistanceTask
from panodepth.lab.training.feed import rendering
from panodepth.lab.training.feed.rendering import Cancelled
from panodepth.lab.training.feed.sources import ReadAhead, SourceReader
from panodepth.lab.training.feed.stream import SampleStream
from panodepth.lab.training.trainer import Trainer
from panodepth.types import Panorama

SIZE = (28, 56)


class Numbered:
    """Sample i is a sphere of radius i + 1; samples of `broken` cannot be read."""

    name = "numbered"

    def __init__(self, length, broken=()):
        self.length, self.broken = length, set(broken)
        self.reads = Counter()

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.reads[index] += 1
        if index in self.broken:
            raise InputError(f"numbered/{index}.png: not a picture")
        image = np.full((*SIZE, 3), 0.5, np.float32)
        distance = np.full(SIZE, index + 1.0, np.float32)
        return Panorama(image, distance, np.ones(SIZE, bool), {"name": str(index)})


def reader(length, broken=(), seed=3):
    return SourceReader(Numbered(length, broken), seed, SIZE)


def numbers(made, positions):
    """Which samples stand at these positions, by their radius."""
    return [int(made.read(p)[1].distance[0, 0, 0]) - 1 for p in positions]


def test_an_epoch_holds_every_sample_once_in_changing_order():
    made = reader(10)
    epochs = [numbers(made, range(e * 10, e * 10 + 10)) for e in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert numbers(reader(10), [17, 4]) == [epochs[1][7], epochs[0][4]]


def test_a_broken_sample_is_replaced_by_the_next_and_counted():
    whole, damaged = reader(10), reader(10, broken=[4, 5])
    expected = [{4: 6, 5: 6}.get(i, i) for i in numbers(whole, range(20))]
    assert numbers(damaged, range(20)) == expected
    assert damaged.replaced == 4
    news = damaged.new_problems()
    assert sorted(news) == [
        f"skipped a broken sample of numbered: numbered/{i}.png: not a picture" for i in (4, 5)
    ]
    assert damaged.new_problems() == []
    assert damaged.source.reads[4] == damaged.source.reads[5] == 1, "read again though broken"
    assert [damaged.used(p) for p in range(10)] == numbers(damaged, range(10))


def test_all_broken_is_an_error_that_names_one():
    with pytest.raises(PanodepthError, match=r"all 3 samples of source numbered .*not a picture"):
        reader(3, broken=range(3)).read(0)
    with pytest.raises(PanodepthError, match=r"64 in a row of 900 samples"):
        reader(900, broken=range(900)).read(0)
    with pytest.raises(InputError, match="empty"):
        reader(0)


def mixed_config(make_config, folder, **data):
    values = make_config().to_dict()
    values["data"] |= {"prefetch": 2, **data}
    values["sources"] = [{"kind": "folder", "path": str(folder), "weight": 1.0}]
    return config_from_dict(values)


@pytest.fixture
def folder(tmp_path):
    """Six panoramas: the lower half known, a quarter of the sky's half given as sky."""
    place = tmp_path / "pairs"
    place.mkdir()
    g = np.random.default_rng(0)
    for i in range(6):
        distance = np.zeros(SIZE, np.float32)
        distance[14:] = 2.0 + i + g.random((14, 56))
        distance[:7] = np.inf if i % 2 else 0.0
        np.savez(place / f"p{i}_distance.npz", distance=distance)
        picture = g.integers(0, 255, (*SIZE, 3), np.uint8)
        Image.fromarray(picture).save(place / f"p{i}.png")
    return place


def test_mixture_is_a_pure_function_of_the_batch_number(make_config, renderer, folder):
    config = mixed_config(make_config, folder, scenes_weight=3.0)
    with SampleStream(config, renderer) as one:
        batches = [one.stored(n) for n in range(8)]
        names = [one.describe(n) for n in range(8)]
    alone = dataclasses.replace(config.data, loaders=1, prefetch=0)
    with SampleStream(dataclasses.replace(config, data=alone), renderer) as other:
        for n in (5, 2, 7):
            assert torch.equal(other.stored(n).distance, batches[n].distance)
            assert torch.equal(other.stored(n).image, batches[n].image)
            assert other.describe(n) == names[n]
    read = [name for batch in names for name in batch if isinstance(name, str)]
    assert len(read) == 8, "one of four samples comes from the folder"
    assert len(set(read[:6])) == 6


def test_processes_draw_different_samples_and_together_all(make_config, renderer, folder):
    """Two processes with half batches see what one with whole batches sees, step by step."""
    values = mixed_config(make_config, folder, scenes_weight=0.0, batch=2).to_dict()
    one = SampleStream(config_from_dict(values), renderer)
    values["data"]["batch"] = 1
    halves = [SampleStream(config_from_dict(values), renderer, rank=r, world=2) for r in (0, 1)]
    for n in range(9):
        both = [half.stored(n).distance for half in halves]
        assert torch.equal(torch.cat(both), one.stored(n).distance)
    scenes = make_config(data={"batch": 4, "chunk": 8})
    ranks = [SampleStream(scenes, renderer, rank=r, world=2) for r in (0, 1)]
    seen = [{i for n in range(8) for i in rank.describe(n)} for rank in ranks]
    assert not seen[0] & seen[1]


def test_partial_truth_and_unknown_sky_are_not_supervised(make_config, renderer, folder):
    config = mixed_config(make_config, folder, scenes_weight=0.0, batch=6)
    with SampleStream(config, renderer) as stream:
        batch = stream.stored(0).decode()
    order = [int(d[20].min()) - 2 for d in batch.truth.distance]
    assert sorted(order) == list(range(6))
    log = torch.zeros(6, *SIZE, requires_grad=True)
    logit = torch.zeros(6, *SIZE, requires_grad=True)
    loss = LossConfig(normal=0.0, anchor=0.0)
    training_loss(log, logit, batch.truth, loss)[0].backward()
    for i, number in enumerate(order):
        has_sky = number % 2 == 1
        assert batch.truth.valid[i, 14:].all()
        assert not batch.truth.valid[i, :14].any()
        assert batch.truth.sky[i, :7].all() == has_sky
        assert not log.grad[i, :14].any(), "supervised where nothing is known"
        assert logit.grad[i, 14:].min() > 0, "a surface is not sky"
        assert not logit.grad[i, 7:14].any()
        assert bool(logit.grad[i, :7].any()) == has_sky


def test_a_run_on_a_folder_skips_and_reports_the_broken(make_config, renderer, folder):
    (folder / "p2.png").write_bytes(b"no picture")
    config = mixed_config(make_config, folder, scenes_weight=1.0)
    train(config, renderer=renderer)
    lines = (Path(config.run.out) / "log.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    notes = [r["text"] for r in records if r["event"] == "note"]
    assert sum("p2.png" in text and "skipped" in text for text in notes) == 1
    assert [r["replaced"] for r in records if r["event"] == "train"][-1] >= 1
    again = Trainer(DistanceTask(config, renderer=renderer))
    assert again.step == config.run.steps


def test_resumed_mixture_continues_exactly(make_config, renderer, folder, tmp_path):
    values = mixed_config(make_config, folder).to_dict()
    losses = {}
    for name, stops in (("whole", ()), ("parts", (2,))):
        values["run"]["out"] = str(tmp_path / name)
        config = config_from_dict(values)
        for steps in stops:
            first = Trainer(DistanceTask(config, renderer=renderer))
            for _ in range(steps):
                first.train_step()
            first.save()
        train(config, renderer=renderer)
        lines = (tmp_path / name / "log.jsonl").read_text().splitlines()
        records = [r for r in map(json.loads, lines) if r["event"] == "train"]
        losses[name] = {r["step"]: r["loss"] for r in records}
    assert set(losses["parts"]) == {3, 4, 5, 6}
    for step, loss in losses["parts"].items():
        assert loss == pytest.approx(losses["whole"][step], abs=1e-6)


def test_other_sources_on_resuming_are_refused(make_config, renderer, folder):
    config = mixed_config(make_config, folder)
    run = Trainer(DistanceTask(config, renderer=renderer))
    run.save()
    more = dataclasses.replace(
        config, sources=(*config.sources, SourceConfig("folder", str(folder), 0.5))
    )
    with pytest.raises(ConfigError, match=r"\[\[sources\]\] differ"):
        Trainer(DistanceTask(more, renderer=renderer))


def test_missing_source_cannot_start(make_config, renderer, tmp_path):
    with pytest.raises(PanodepthError, match="nowhere"):
        Trainer(DistanceTask(mixed_config(make_config, tmp_path / "nowhere"), renderer=renderer))


def test_waiting_for_a_slow_disk_can_be_cancelled(monkeypatch):
    monkeypatch.setattr(rendering, "POLL_SECONDS", 0.01)
    release = threading.Event()
    ahead = ReadAhead(
        lambda number: [lambda: release.wait(10)], DataConfig(prefetch=0), lambda: True
    )
    with pytest.raises(Cancelled):
        ahead.get(0)
    release.set()
    ahead.close()
