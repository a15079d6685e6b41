"""examples/curate.sh and `panodepth curate`, as a user runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.lab.curation.conftest import Made

from panodepth import cli
from panodepth.lab.curation.frame import REASONS
from panodepth.lab.curation.sources import SOURCES
from panodepth.lab.curation.sources.plain import open_frames
from panodepth.lab.data import open_source

ROOT = Path(__file__).parents[3]


def folder(made: Made, camera: dict[str, float]) -> str:
    import numpy as np

    for name in "ab":
        made.image(f"mine/{name}.png", (48, 64))
        slope = np.linspace(1, 2, 64, dtype=np.float32)[None].repeat(48, 0)
        made.npy(f"mine/{name}_depth.npy", slope)
    made.json("mine/camera.json", camera)
    return str(made.root / "mine")


def test_the_command(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = folder(made, {"x_fov_deg": 90}), made.root / "out"
    arguments = ["curate", "--source", source, "--out", str(out), "--size", "32x64"]
    assert cli.main([*arguments, "--limit", "same=-1"]) == 0
    assert "2 panoramas" in capsys.readouterr().out
    assert (out / "report.html").is_file()
    assert len(open_source("shards", out)) == 2
    assert cli.main([*arguments, "--limit", "same=-1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 2


def test_nothing_kept_is_exit_code_1_and_wrong_options_are_2(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = folder(made, {}), made.root / "out"
    arguments = ["curate", "--source", source, "--out", str(out), "--size", "32x64"]
    assert cli.main(arguments) == 1
    assert "2 intrinsics" in capsys.readouterr().out
    for wrong in (["--size", "30x64"], ["--limit", "x=1"], ["--outpainter", "flux"]):
        assert cli.main([*arguments, *wrong]) == 2
        assert capsys.readouterr().err.startswith("error: ")
    for wrong in ("kitti=.", "vkitti2=/nowhere"):
        assert cli.main(["curate", "--source", wrong, "--out", str(out)]) == 2


def test_the_page_knows_every_source_reason_and_limit() -> None:
    from dataclasses import fields

    from panodepth.lab.curation.quality import Limits

    page = (ROOT / "docs" / "curation.md").read_text(encoding="utf-8")
    limits = [field.name for field in fields(Limits)]
    for name in (*SOURCES, *REASONS, *limits):
        assert f"`{name}`" in page, name


def test_the_page_brings_scannet_s_tree_into_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    made, scene = Made(tmp_path), "scene0000_00"
    lost = np.full((4, 4), -np.inf)
    for number, pose in (("0", np.eye(4)), ("10", lost)):
        made.image(f"{scene}/color/{number}.jpg", (242, 324))
        made.codes(f"{scene}/depth/{number}.png", np.full((120, 160), 2500, np.uint16))
        made.text(f"{scene}/pose/{number}.txt", "\n".join(" ".join(map(str, r)) for r in pose))
    lens = [[290, 0, 161.5, 0], [0, 290, 120.5, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    made.text(
        f"{scene}/intrinsic/intrinsic_color.txt", "\n".join(" ".join(map(str, r)) for r in lens)
    )
    page = (ROOT / "docs" / "curation.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "docs/curation.md", "exec"), {})
    source = open_frames(tmp_path / "frames")
    assert [source.label(i)[0] for i in range(len(source))] == [f"{scene}/0"]
    frame = source[0]
    assert frame.unit == "m"
    assert frame.z_depth is not None
    assert frame.z_depth.shape == (242, 324)
    assert (frame.z_depth == np.float32(2.5)).all()
    assert (frame.lens.cx, frame.lens.cy) == (162, 121)


@pytest.mark.slow
def test_the_example_renders_curates_and_trains(tmp_path: Path) -> None:
    environment = os.environ | {"WORLDS": "3", "STEPS": "3", "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    script = ROOT / "examples" / "curate.sh"
    done = subprocess.run(
        ["bash", str(script), "w"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "w" / "shards" / "report.html").is_file()
    assert (tmp_path / "w" / "run" / "model.safetensors").is_file()
