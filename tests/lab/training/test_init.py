"""Where a run begins: from random weights, or from those of a model."""

import pytest
import torch
from safetensors.torch import load_file

from panodepth.errors import ModelError
from panodepth.lab.training import train
from panodepth.lab.training.config import config_from_dict
from panodepth.lab.training.distance.task import DistanceTask
from panodepth.lab.training.trainer import Trainer


def test_init_takes_the_weights_and_starts_afresh(make_config, renderer, tmp_path):
    first = make_config(run={"out": str(tmp_path / "first"), "steps": 2})
    weights = train(first, renderer=renderer).weights
    second = make_config(run={"out": str(tmp_path / "second")}, data={"height": 42, "width": 84})
    run = Trainer(DistanceTask(second, renderer=renderer, init=weights))
    assert run.step == 0
    source = load_file(weights)
    for name, value in run.task.model.state_dict().items():
        assert torch.allclose(value, source[name].float()), name
    values = second.to_dict()
    values["network"]["overrides"]["dim"] = 32
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        Trainer(DistanceTask(config_from_dict(values), renderer=renderer, init=weights))


def test_random_weights_that_stay_random_are_told(make_config, renderer, tmp_path):
    config = make_config(run={"out": str(tmp_path / "first"), "steps": 1})
    values = config.to_dict()
    values["network"]["train"] = "head"
    frozen = config_from_dict(values)
    (told,) = Trainer(DistanceTask(frozen, renderer=renderer)).task.start_messages
    assert "at random weights: give --init MODEL" in told
    weights = train(config, renderer=renderer).weights
    values["run"]["out"] = str(tmp_path / "second")
    run = Trainer(DistanceTask(config_from_dict(values), renderer=renderer, init=weights))
    assert not any("random weights" in text for text in run.task.start_messages)
