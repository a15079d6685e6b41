"""The metres network: what must hold whatever its weights, and its file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from panodepth.errors import ConfigError, ModelError
from panodepth.model.helpers import save_helper
from panodepth.model.metres import (
    SPREAD_RANGE,
    MetresConfig,
    MetresNetwork,
    load_metres,
)

SMALL = MetresConfig(channels=(4, 6), rows=16)


def network(seed: int = 0) -> MetresNetwork:
    torch.manual_seed(seed)
    made = MetresNetwork(SMALL).eval()
    torch.nn.init.normal_(made.out.weight, std=0.3)
    return made


def inputs(seed: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    dice = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 3, *SMALL.size, generator=dice)
    distance = torch.rand(2, *SMALL.size, generator=dice) + 0.1
    return image, distance, torch.rand(2, *SMALL.size, generator=dice) > 0.2


def test_the_seam_is_nowhere_special() -> None:
    """Rolled by whole cells of the coarsest level, a panorama is the same panorama."""
    found = network()(*inputs())
    rolled = network()(*(x.roll(12, -1) for x in inputs()))
    torch.testing.assert_close(found, rolled, atol=1e-5, rtol=0)
    assert not torch.allclose(found.log[0], found.log[1])  # and it does look


def test_what_is_not_valid_is_not_looked_at() -> None:
    image, distance, valid = inputs()
    hidden = torch.where(valid, distance, torch.tensor(float("nan")))
    torch.testing.assert_close(network()(image, distance, valid), network()(image, hidden, valid))


def test_the_spread_stays_in_its_range() -> None:
    made = network()
    torch.nn.init.constant_(made.out.bias, 99.0)
    assert bool((made(*inputs()).log_spread == SPREAD_RANGE[1]).all())


def test_a_file_gives_the_same_network(tmp_path: Path) -> None:
    made = network().half().float()  # what the file keeps
    path = tmp_path / "metres.safetensors"
    save_helper("metres", SMALL, made.state_dict(), path, {"steps": "1"})
    loaded = load_metres(path)
    assert loaded.config == SMALL
    torch.testing.assert_close(loaded(*inputs()), made(*inputs()), atol=0, rtol=0)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = {n: t.contiguous() for n, t in network().state_dict().items()}
    save_file(tensors, path)
    with pytest.raises(ModelError, match="not a metres network"):
        load_metres(path)
    save_file(tensors, path, {"metres": json.dumps(asdict(MetresConfig(channels=(4,), rows=16)))})
    with pytest.raises(ModelError, match="metres"):
        load_metres(path)
    save_file(tensors, path, {"metres": '{"rows": 1000000}'})
    with pytest.raises(ModelError, match="rows"):
        load_metres(path)


@pytest.mark.parametrize("bad", [{"channels": ()}, {"channels": (0,)}, {"rows": 12}, {"rows": 0}])
def test_networks_that_cannot_be(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="metres network's config"):
        MetresConfig(**{"channels": (4, 4, 4), **bad})  # type: ignore[arg-type]
