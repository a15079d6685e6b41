"""`panodepth app --static`: which files it writes, and what it does not overwrite."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import onnxruntime
import pytest

from panodepth.cli import main


def test_the_site_is_whole(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a small network; tests/test_readme.py writes a site with the bundled one."""
    site = tmp_path / "site"
    command = ["app", "--static", str(site), "--model", str(model_file)]
    assert main(command) == 0
    assert "13 files" in capsys.readouterr().out
    config = json.loads((site / "config.json").read_text())
    model = onnxruntime.InferenceSession(gzip.decompress((site / "model.bin").read_bytes()))
    assert model.get_inputs()[0].shape == [1, 3, config["height"], config["width"]]
    before = [site / name for name in ("model.bin", "ort.wasm.bin")]
    assert config["bytes"] == sum(file.stat().st_size for file in before)
    service = (site / "sw.js").read_text()
    assert "{{" not in service + (site / "index.html").read_text()
    for file in site.iterdir():
        assert f'"{file.name}"' in service or file.name in ("index.html", "sw.js")
    assert main([*command, "--quiet"]) == 0  # again, over itself


@pytest.mark.parametrize(
    "given",
    [["--port", "80"], ["--host", "0.0.0.0"], ["--device", "cpu"], ["--max-megapixels", "9"]],
)
def test_what_says_nothing_about_a_site_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    assert main(["app", "--static", str(tmp_path / "site"), *given]) == 2
    told = f"{given[0]} says nothing about a site that --static writes: leave it out"
    assert told in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_another_page_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "index.html").write_text("mine")
    assert main(["app", "--static", str(tmp_path)]) == 2
    assert "holds another page" in capsys.readouterr().err
    assert (tmp_path / "index.html").read_text() == "mine"
