"""Every line of docs/cookbook.md runs as it stands there, and says what the page says."""

from __future__ import annotations

import json
import math
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panodepth.cli import main
from panodepth.geometry.lens import ERP, Lens, Pinhole, View
from panodepth.geometry.lenses import Cubemap, DualFisheye, EquidistantFisheye, ERPPart
from panodepth.geometry.lenses.dual import THETA_SC
from panodepth.geometry.resampling import resample
from panodepth.images import read_image

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/cookbook.md").read_text(encoding="utf-8")
TAKEN, REFUSED = PAGE.split("## What is refused")
LINES = re.findall(r"`(panodepth predict [^`]+)`", TAKEN)
WRONG = re.findall(r"\| `(panodepth predict [^`]+)` \| ([^|]+) \|", REFUSED)
DEG = math.radians
TAGS = {
    "FullPanoWidthPixels": 512,
    "FullPanoHeightPixels": 256,
    "PosePitchDegrees": 10,
    "CroppedAreaImageWidthPixels": 400,
    "CroppedAreaImageHeightPixels": 150,
    "CroppedAreaLeftPixels": 60,
    "CroppedAreaTopPixels": 50,
}


def small_theta() -> Lens:
    from panodepth.predict.lenses.choice import input_lens
    from panodepth.predict.lenses.options import LensOptions

    assert THETA_SC.left.fx > 0
    return input_lens(LensOptions(projection="dual-fisheye", camera="theta-sc"), (270, 480))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small picture of each name on the page, all of the same room."""
    folder = tmp_path_factory.mktemp("cookbook")
    room = np.ascontiguousarray(
        np.moveaxis(read_image(ROOT / "examples/interior.jpg").image, -1, 0)
    )
    taken: dict[str, tuple[Lens, tuple[int, int]]] = {
        "pano.jpg": (ERP(), (128, 256)),
        "strip.jpg": (ERPPart(2 * math.pi, -DEG(50), DEG(40)), (90, 360)),
        "part.jpg": (ERPPart(DEG(200), -DEG(40), DEG(40)), (120, 300)),
        "fisheye.jpg": (EquidistantFisheye.from_fov(DEG(200), (256, 256)), (256, 256)),
        "photo.insp": (DualFisheye.from_fov(DEG(190), (192, 384)), (192, 384)),
        "theta.jpg": (small_theta(), (270, 480)),
        "cube.png": (Cubemap("3x2"), (128, 192)),
        "cross.png": (Cubemap("cross"), (192, 256)),
        "photo.jpg": (Pinhole.from_fov(DEG(90), (150, 200)), (150, 200)),
        "tagged.jpg": (ERPPart(2 * math.pi * 400 / 512, -1, 0.8), (150, 400)),
    }
    for name, (lens, size) in taken.items():
        tags = " ".join(f'GPano:{tag}="{value}"' for tag, value in TAGS.items())
        more = {"xmp": f"<rdf:Description {tags}/>".encode()} if name == "tagged.jpg" else {}
        save(folder / name, room, View(lens, size), **more)
    cameras = []
    (folder / "moment").mkdir()
    for yaw in (0, 120, 240):
        lens, turn = Pinhole.from_fov(DEG(130), (90, 120)), turned(yaw)
        save(folder / f"moment/{yaw}.png", room, View(lens, (90, 120), turn))
        told = {key: getattr(lens, key) for key in ("fx", "fy", "cx", "cy")}
        told |= {"image": f"{yaw}.png", "model": "pinhole", "width": 120, "height": 90}
        cameras.append({**told, "yaw_deg": yaw})
    (folder / "rig.json").write_text(json.dumps({"cameras": cameras}))
    save_padded(folder)
    save_measured(folder)
    return folder


def save_padded(folder: Path) -> None:
    """A sweep on a black canvas."""
    pixels = np.array(Image.open(folder / "pano.jpg"))
    pixels[:24] = pixels[-32:] = 0
    Image.fromarray(pixels).save(folder / "padded.jpg", quality=92)


def save_measured(folder: Path) -> None:
    """What the page's lines know of the room, and a picture that shows nothing."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(200, 3))
    points = 2.5 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    np.savetxt(folder / "points.csv", points, delimiter=",")
    np.savetxt(folder / "few.csv", points[:9], delimiter=",")
    (folder / "pose.json").write_text(json.dumps(np.eye(4).tolist()))
    Image.fromarray(np.full((32, 64), 2500, np.uint16)).save(folder / "coarse.png")
    sky = np.repeat(np.arange(64)[:, None] < 20, 128, 1)
    Image.fromarray(sky.astype(np.uint8) * 255).save(folder / "sky.png")
    Image.fromarray(rng.integers(0, 256, (128, 256, 3), np.uint8)).save(folder / "noise.png")


def turned(yaw_deg: float) -> Any:
    from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll

    return rotation_from_yaw_pitch_roll(DEG(yaw_deg))


def save(path: Path, room: Any, view: View, **more: Any) -> None:
    image = np.moveaxis(resample(room, ERP(), view)[0], 0, -1)
    kind = "PNG" if path.suffix == ".png" else "JPEG"
    Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(path, kind, **more)


@pytest.mark.parametrize("line", LINES)
def test_a_line_runs(
    line: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures)
    words = shlex.split(line)[1:]
    words[-1] = str(tmp_path)
    assert main([*words, "--format", "npz,preview", "--quiet"]) == 0
    (file,) = tmp_path.glob("*_distance.npz")
    with np.load(file) as npz:
        assert npz["mask"].mean() > 0.03
        assert (npz["distance"] > 0).all()


@pytest.mark.parametrize(("line", "says"), WRONG)
def test_a_line_is_refused(
    line: str,
    says: str,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(pictures)
    words = shlex.split(line)[1:]
    words[-1] = str(tmp_path / "out")
    assert main([*words, "--quiet"]) in (1, 2)
    error = capsys.readouterr().err
    assert says.strip() in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("out/*"))


def test_the_block_of_python_runs(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    values: dict[str, Any] = {}
    exec(code, values)
    assert values["result"].lens == values["lens"]
    assert len(LINES) > 18
    assert len(WRONG) > 9
