"""Names of models: bundled, file, folder, hub cache, and every way to be wrong."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import panodepth
from panodepth.errors import ModelError
from panodepth.predict import models


def test_file_and_folder(model_file: Path) -> None:
    for place in (model_file, str(model_file), model_file.parent):
        loaded = panodepth.load(place, device="cpu")
        assert loaded.size == (56, 112)
    assert panodepth.load(model_file, device="cpu").name == "micro"


def test_default_is_the_bundled_file(model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "bundled_weights", lambda: model_file)
    assert panodepth.load(device="cpu").name == "default"
    assert models.find_model("default") == ("default", model_file)


def test_missing_bundle_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "WEIGHTS", tmp_path)
    with pytest.raises(ModelError, match=r"missing.*released.*\.safetensors"):
        panodepth.load()


@pytest.mark.parametrize("name", ["nope", "no/such/folder", "a/b.safetensors", "../x", "/x/y", ""])
def test_unknown_names(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        panodepth.load(name, device="cpu")
    assert "\n" not in str(caught.value)


def _fill_cache(cache: Path, repo: str, weights: Path) -> None:
    """The layout in which the hub's library keeps a downloaded repository."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40)
    shutil.copy(weights, snapshot / "model.safetensors")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def test_released_from_the_local_cache(hub: Path, released_file: Path) -> None:
    _fill_cache(hub, "haodongli/DA-2", released_file)
    loaded = panodepth.load("released", device="cpu")
    assert loaded.name == "haodongli/DA-2"
    assert loaded.model.config.name == "tiny"
    assert panodepth.load("haodongli/DA-2", device="cpu").name == "haodongli/DA-2"


def test_released_offline_and_uncached_is_one_line_that_helps(hub: Path) -> None:
    with pytest.raises(ModelError) as caught:
        panodepth.load("released", device="cpu")
    text = str(caught.value)
    assert "\n" not in text
    assert "hf download haodongli/DA-2" in text
    assert not list(hub.rglob("*.safetensors"))


def test_a_hub_repository_without_safetensors_is_refused(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "pytorch_model.bin").write_bytes(pickle.dumps({}))

    def fetch(repo: str, *, local_files_only: bool = False, **_: object) -> str:
        return str(tmp_path / "got")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    with pytest.raises(ModelError, match="pickled weights are refused"):
        panodepth.load("some/repo", device="cpu")


def test_downloads_when_not_cached(
    hub: Path, released_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked = []

    def fetch(repo: str, *, local_files_only: bool = False, **_: object) -> str:
        if local_files_only:
            raise LocalEntryNotFoundError("not here")
        asked.append(repo)
        return str(released_file.parent)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert panodepth.load("released", device="cpu").name == "haodongli/DA-2"
    assert asked == ["haodongli/DA-2"]


def test_what_is_imported_when() -> None:
    """`import panodepth` loads nothing heavy, and a local model never touches the hub's library."""
    code = "import sys, panodepth; print(sorted({'torch', 'cv2', 'numpy'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
    code = "import sys, panodepth.predict.loading; print('huggingface_hub' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
