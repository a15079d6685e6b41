"""`panodepth curate --outpainter MODEL`: shards with licences, and what is said when it cannot."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from tests.lab.curation.conftest import Made
from tests.lab.curation.test_outpainters import panorama, settings_for

from panodepth.cli import main
from panodepth.errors import ConfigError, ModelError
from panodepth.lab.curation.outpaint import make_outpainter
from panodepth.lab.curation.outpainters import loading
from panodepth.lab.curation.outpainters.licences import (
    KNOWN,
    Licence,
    both,
    find_licence,
    licence_called,
)
from panodepth.lab.curation.outpainters.loading import Weights
from panodepth.lab.curation.outpainters.lora import LoraFile
from panodepth.lab.curation.outpainters.painter import LearnedOutpainter
from panodepth.lab.curation.outpainters.settings import PAINTERS, PROMPT, PaintSettings
from panodepth.lab.curation.project import coverage_of
from panodepth.lab.curation.stages import view_of
from panodepth.lab.data import open_source

PAGE = Path(__file__).parents[3] / "docs" / "outpainting.md"
CARD = """---
# a comment
license: other
license_name: "example-non-commercial-1.0"
tags: [a]
---
# A model
"""


@pytest.fixture
def frame(made: Made) -> str:
    """One posed RGB-D frame, as --source wants it."""
    rng = np.random.default_rng(0)
    pixels = cv2.resize(rng.integers(0, 255, (24, 32, 3)).astype(np.uint8), (64, 48))
    assert cv2.imwrite(str(made.path("f/a.png")), pixels)
    z_depth = np.linspace(1, 3, 64, dtype=np.float32)[None, :].repeat(48, 0)
    np.savez(made.path("f/a_depth.npz"), z_depth=z_depth)
    made.json("f/a.json", {"x_fov_deg": 80, "unit": "m"})
    return f"frames={made.root / 'f'}"


def words(folder: Path, *more: str) -> list[str]:
    common = ["--paint-model", str(folder), "--paint-steps", "2", "--device", "cpu"]
    return [*common, "--dtype", "float32", "--size", "32x64", "--image", "png", *more]


@pytest.mark.parametrize("name", PAINTERS)
def test_a_run_writes_samples_that_say_what_painted_them(
    name: str,
    frame: str,
    tiny: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, bare = tmp_path / "out", tmp_path / "bare"
    given = ["--paint-licence", "apache-2.0"]
    run = ["curate", "--source", frame, "--out", str(out), "--outpainter", name]
    assert main([*run, *words(tiny(name), *given)]) == 0
    plain = ["curate", "--source", frame, "--outpainter", "none", "--out", str(bare)]
    assert main([*plain, "--size", "32x64", "--image", "png"]) == 0
    sample, black = open_source("shards", out)[0], open_source("shards", bare)[0]
    said = sample.meta["outpainter"]
    assert said == {
        "name": name,
        "model": str(tiny(name)),
        "revision": None,
        "licence": "apache-2.0",
        "commercial_use": True,
        "prompt": PROMPT,
        "steps": 2,
        "guidance": {"flux": 30.0, "flux2-klein": 1.0}[name],
    }
    # Known pixels are the frame's, the rest is painted, and distance is that of the frame alone.
    coverage = coverage_of(view_of(sample.meta["view"]), (32, 64))
    np.testing.assert_array_equal(sample.image[coverage], black.image[coverage])
    assert sample.image[~coverage].std() > 0.02
    assert sample.distance is not None
    np.testing.assert_array_equal(sample.distance, black.distance)
    assert (sample.distance[~coverage] == 0).all()
    capsys.readouterr()
    assert main([*run, *words(tiny(name), *given)]) == 0  # done already
    assert main([*run, *words(tiny(name), *given, "--prompt", "a barn")]) == 2
    assert "begun with plan" in capsys.readouterr().err


def test_where_it_is_computed_does_not_change_the_plan(tmp_path: Path) -> None:
    assert PaintSettings(device="cuda:1").describe() == PaintSettings(device="cpu").describe()
    assert PaintSettings(lora="a").describe() != PaintSettings(lora="b").describe()
    file = tmp_path / "lora.safetensors"
    file.write_bytes(b"one")
    settings = PaintSettings(lora=str(file))
    before = settings.describe()
    file.write_bytes(b"two")  # trained on, under the same name
    assert settings.describe() != before


def test_licences(tmp_path: Path) -> None:
    known = find_licence("black-forest-labs/FLUX.1-Fill-dev", None)
    assert known == Licence("FLUX.1 [dev] Non-Commercial License", False)
    assert find_licence("black-forest-labs/FLUX.2-klein-4B", None) == Licence("Apache-2.0", True)
    assert find_licence("my/model", tmp_path) == Licence("unknown", None)
    (tmp_path / "README.md").write_text(CARD)
    assert find_licence("my/model", tmp_path) == Licence("example-non-commercial-1.0", False)
    assert find_licence("my/model", tmp_path, "MIT") == Licence("MIT", True)
    (tmp_path / "README.md").write_text("no header\nlicense: mit\n")
    assert find_licence("my/model", tmp_path) == Licence("unknown", None)
    free, bound, odd = licence_called("mit"), licence_called("cc-by-nc-4.0"), licence_called("odd")
    assert bound.commercial is False
    assert odd == Licence("odd", None)
    assert both(free, free) is True
    assert both(free, odd) is None
    assert both(odd, bound) is False


def fails(kind: type[Exception], says: str, name: str = "flux", **settings: Any) -> None:
    """Opening the painter, or painting with it, fails with one line that says so."""
    with pytest.raises(kind, match=says) as caught:
        make_outpainter(name, PaintSettings(**settings)).fill(*panorama(), 0)
    assert "\n" not in str(caught.value)


def test_without_diffusers(
    frame: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == "diffusers" else find(n, *a)
    )
    out = tmp_path / "out"
    assert main(["curate", "--source", frame, "--out", str(out), "--outpainter", "flux"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: out-painter 'flux' needs diffusers")
    assert 'pip install "panodepth[outpaint]"' in error
    assert not out.exists()


def test_weights_that_are_not_there(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    fails(ConfigError, "no such folder", model=str(tmp_path / "none"))
    fails(ConfigError, "no readable model_index.json", model=str(tmp_path))
    (tmp_path / "model_index.json").write_text("null")
    fails(ConfigError, "no readable model_index.json", model=str(tmp_path))
    fails(ConfigError, "holds a FluxFillPipeline", "flux2-klein", model=str(tiny("flux")))
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "model_index.json").write_text((tiny("flux") / "model_index.json").read_text())
    fails(ModelError, "cannot be loaded", model=str(damaged), device="cpu")


def test_loras_that_are_none(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    folder = str(tiny("flux"))
    fails(ConfigError, "no such file", model=folder, lora=str(tmp_path / "no.safetensors"))
    text = tmp_path / "text.safetensors"
    text.write_text("hello")
    fails(ModelError, "not a readable .safetensors", model=folder, lora=str(text))
    other = tmp_path / "other.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, other)
    fails(ModelError, "holds no LoRA weights", model=folder, lora=str(other))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("GatedRepoError", r"is gated: accept its licence at https://huggingface.co/org/name"),
        ("RepositoryNotFoundError", "org/name at revision v2: not on the hub, or private"),
        (
            "LocalEntryNotFoundError",
            "cannot be downloaded .*hf download org/name .*name a folder with the weights",
        ),
    ],
)
def test_what_the_hub_refuses(error: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx2
    import huggingface_hub
    from huggingface_hub import errors

    def refuse(*args: Any, **kwargs: Any) -> None:
        kind = getattr(errors, error)
        reply = httpx2.Response(403, request=httpx2.Request("GET", "https://huggingface.co"))
        raise kind("no") if error.startswith("Local") else kind("no", response=reply)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    fails(ModelError, says, model="org/name@v2")


def test_the_hub_s_revision_is_kept(
    tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    snapshot = tmp_path / "snapshots" / "0123abcd"
    snapshot.parent.mkdir()
    snapshot.symlink_to(tiny("flux2-klein"))
    asked: list[Any] = []

    def download(name: str, revision: str | None = None, **kwargs: Any) -> str:
        asked.append((name, revision))
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    facts = make_outpainter("flux2-klein").facts
    assert asked == [("black-forest-labs/FLUX.2-klein-4B", None)]
    assert facts["revision"] == "0123abcd"
    assert facts["licence"] == "Apache-2.0"
    assert facts["commercial_use"] is True
    assert facts["steps"] == 4


def test_memory_that_is_not_enough(
    tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"model": str(tiny("flux")), "device": "cpu"}
    with monkeypatch.context() as patch:
        patch.setattr(loading, "free_memory", lambda device: 1000)
        fails(ConfigError, r"cpu has 0.0 GB free, .* needs about", **settings)

    def too_much(*args: Any, **kwargs: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    made = make_outpainter("flux", settings_for(tiny("flux")))
    made.fill(*panorama(), 0)
    monkeypatch.setattr(made._ready.base, "velocity", too_much)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="cpu has not enough memory for"):
        made.fill(*panorama(), 0)


def test_settings_out_of_range() -> None:
    for bad in ({"steps": 0}, {"height": 8}, {"guidance": -1.0}, {"lora_scale": float("nan")}):
        with pytest.raises(ConfigError):
            PaintSettings(**bad)  # type: ignore[arg-type]


def test_the_page_names_options_and_facts_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert main(["curate", "--help"]) == 0
    assert main(["train-outpainter", "--help"]) == 0
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert set(re.findall(r"--[a-z]+(?:-[a-z]+)*", page)) <= known
    for option in ("--paint-model", "--lora", "--prompt", "--paint-steps", "--device", "--dtype"):
        assert option in known
        assert option in page
    for name, (_, model) in PAINTERS.items():
        licence = KNOWN[model]
        rows = [row for row in page.splitlines() if row.startswith(f"| `{name}` | `{model}`")]
        assert len(rows) == 1
        assert licence.name in rows[0]
        assert rows[0].endswith("yes |" if licence.commercial else "no |")
    shown = json.loads(re.findall(r"```json\n(.*?)```", page, re.S)[0])
    lora = LoraFile(Path("lora.safetensors"), {"licence": "Apache-2.0"}, "...", True)
    weights = Weights("flux2-klein", shown["model"], Path(), "<commit>", 4, 1.0)
    settings = PaintSettings(prompt="...")
    made = LearnedOutpainter("flux2-klein", weights, settings, KNOWN[shown["model"]], lora)
    assert {"name": made.name, **made.facts} == shown
