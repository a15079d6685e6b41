"""What the Blender add-on of integrations/blender asks panodepth for, without Blender.

tests/tools/test_blender_addon.py runs it in Blender.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

import panodepth

ADDON = Path(__file__).parents[2] / "integrations/blender/panodepth_blender"


@pytest.fixture(scope="module")
def command() -> ModuleType:
    spec = importlib.util.spec_from_file_location("panodepth_blender_command", ADDON / "command.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_make_addon_packs_what_blender_reads_and_nothing_else(tmp_path: Path) -> None:
    for name in ("Makefile", "integrations"):
        (tmp_path / name).symlink_to(ADDON.parents[2] / name)
    made = ["make", "--silent", f"PYTHON={sys.executable}", "addon"]
    subprocess.run(made, cwd=tmp_path, check=True, timeout=60)
    with zipfile.ZipFile(tmp_path / "panodepth_blender.zip") as packed:
        names = {name for name in packed.namelist() if not name.endswith("/")}
    files = {"__init__.py", "blender_manifest.toml", "command.py"}
    assert names == {f"panodepth_blender/{name}" for name in files}


def program(folder: Path, text: str) -> str:
    """A program called panodepth that runs `text` in Python."""
    path = folder / "panodepth"
    path.write_text(f"#!{sys.executable}\nimport sys, os, json, time, pathlib\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_manifest_is_that_of_an_extension() -> None:
    told = tomllib.loads((ADDON / "blender_manifest.toml").read_text())
    assert (told["schema_version"], told["type"]) == ("1.0.0", "add-on")
    assert told["version"] == panodepth.__version__
    assert told["license"] == ["SPDX:Apache-2.0"]
    assert set(told["permissions"]) == {"files"}
    # Blender refuses longer ones, and a last full stop.
    assert all(
        len(t) <= 64 and t[-1] != "." for t in [told["tagline"], *told["permissions"].values()]
    )


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, ["--quality", "best", "--scale", "learned"]),
        ({"metres": "none", "quality": "fast"}, ["--quality", "fast"]),
        (
            {"metres": "height", "camera_height": 1.25, "faces": 9000, "behind": 7.5},
            ["--quality", "best", "--camera-height", "1.25", "--faces", "9000", "--behind", "7.5"],
        ),
        (
            {"metres": "none", "more": "--level none --mask 'my mask.png'"},
            ["--quality", "best", "--level", "none", "--mask", "my mask.png"],
        ),
    ],
)
def test_what_is_chosen_becomes_options(
    command: ModuleType, given: dict[str, object], wanted: list[str]
) -> None:
    got = command.Request("a b.jpg", **given).arguments("out")
    assert got == ["predict", "a b.jpg", "--out", "out", "--json", "--format", "glb", *wanted]


def test_backslashes_part_folders_on_windows(
    command: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "WINDOWS", True)
    more = command.Request("a.jpg", metres="none", more='--mask "C:\\my masks\\a.png" --level none')
    assert more.arguments("out")[-4:] == ["--mask", "C:\\my masks\\a.png", "--level", "none"]


def test_an_open_quotation_is_told(command: ModuleType) -> None:
    with pytest.raises(command.RunError, match=r"more options.*quotation"):
        command.Request("a.jpg", more="--mask 'a").arguments("out")


def test_a_folder_is_no_picture(command: ModuleType, tmp_path: Path) -> None:
    for picture in ("", str(tmp_path), f"{tmp_path}/"):  # the file browser's, where none is chosen
        with pytest.raises(command.RunError, match="choose a picture: "):
            command.Run(command.Request(picture), sys.executable)


def test_it_is_found(command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bin = tmp_path / ("Scripts" if os.name == "nt" else "bin")
    bin.mkdir()
    there = program(bin, "")
    for told in (there, str(tmp_path), str(bin), f"  {tmp_path} "):
        assert command.program(told) == [there]
    assert command.program(sys.executable) == [sys.executable, "-m", "panodepth"]
    monkeypatch.setenv("PATH", str(bin))
    assert command.program() == [there]
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(command, "USUAL", (str(bin),))
    assert command.program(" ") == [there]
    monkeypatch.setattr(command, "USUAL", ())
    for told in ("", str(tmp_path / "nowhere"), str(ADDON), str(ADDON / "command.py")):
        with pytest.raises(command.RunError, match=r"(PATH|at .*): install panodepth"):
            command.program(told)


def test_a_picture_becomes_a_mesh(command: ModuleType, tmp_path: Path) -> None:
    picture = tmp_path / "früh am Morgen.png"
    with Image.open(ADDON.parents[2] / "examples/interior.jpg") as example:
        example.resize((256, 128)).save(picture)
    request = command.Request(str(picture), quality="fast", more="--device cpu")
    with command.Run(request, sys.executable) as run:
        run.wait()
        mesh, facts = run.result()
        assert Path(mesh).read_bytes()[:4] == b"glTF"
        assert (facts["unit"], facts["metres_by"]) == ("m", "learned")
    assert not Path(mesh).exists(), "the folder is left"


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ("", False),
        ("--level none --camera-height 2", False),
        ("--projection fisheye --fov 200", True),
        ("--level none --projection=fisheye", True),
    ],
)
def test_what_a_lens_saw_is_no_panorama_as_it_lies(
    command: ModuleType, more: str, wanted: bool
) -> None:
    assert command.Request("a.exr", more=more).through_lens == wanted


@pytest.mark.parametrize(
    ("more", "wanted"),
    [("", "no.jpg"), ("--level sideways", "sideways"), ("--nosuch", "--nosuch")],
)
def test_its_words_are_told(command: ModuleType, tmp_path: Path, more: str, wanted: str) -> None:
    request = command.Request(str(tmp_path / "no.jpg"), more=more)
    with command.Run(request, sys.executable) as run:
        run.wait()
        with pytest.raises(command.RunError, match=wanted):
            run.result()


def test_a_failed_picture_is_told_by_its_error(command: ModuleType, tmp_path: Path) -> None:
    said = {"results": [{"files": [], "error": "room.jpg: too dark", "facts": {}}]}
    there = program(tmp_path, f"print({json.dumps(said)!r})\nsys.exit(1)")
    with command.Run(command.Request("room.jpg"), there) as run:
        run.wait()
        with pytest.raises(command.RunError, match=r"^room\.jpg: too dark$"):
            run.result()


def test_several_pictures_are_told(command: ModuleType, tmp_path: Path) -> None:
    found = {"files": ["room.glb"], "error": None, "facts": {}}
    there = program(tmp_path, f"print({json.dumps({'results': [found, found]})!r})")
    with command.Run(command.Request("room.jpg", more="hall.jpg"), there) as run:
        run.wait()
        with pytest.raises(command.RunError, match=r"^2 pictures are too many: more options"):
            run.result()


def test_a_program_without_a_word_is_told(command: ModuleType, tmp_path: Path) -> None:
    with command.Run(command.Request("a.jpg"), program(tmp_path, "sys.exit(7)")) as run:
        run.wait()
        with pytest.raises(command.RunError, match="ended with 7"):
            run.result()


def test_it_is_stopped_and_leaves_nothing(command: ModuleType, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    text = f"pathlib.Path({str(seen)!r}).write_text(sys.argv[sys.argv.index('--out') + 1])"
    run = command.Run(command.Request("a.jpg"), program(tmp_path, f"{text}\ntime.sleep(600)"))
    end = time.monotonic() + 60
    while not (seen.exists() and seen.read_text()):
        assert time.monotonic() < end
        time.sleep(0.02)
    folder = Path(seen.read_text()).parent
    assert not run.ended()
    assert folder.is_dir()
    run.close()
    assert run.ended()
    assert not folder.exists()


def test_what_cannot_start_leaves_nothing(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    broken = tmp_path / "panodepth"
    broken.write_text("#!/no/such/python\n")
    broken.chmod(0o755)
    for told in (str(broken), str(tmp_path / "nowhere")):
        with pytest.raises(command.RunError, match=r"cannot start|no program"):
            command.Run(command.Request("a.jpg"), told)
    assert not list((tmp_path / "temporary").iterdir())


def test_blenders_python_is_not_passed_on(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONHOME", "PYTHONPATH"):
        monkeypatch.setenv(name, "/of/blender")
    assert not {"PYTHONHOME", "PYTHONPATH"} & set(command.environment())
    assert command.environment()["PATH"] == os.environ["PATH"]
