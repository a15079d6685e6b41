"""The pictures on docs/cookbook.md: each line of the page run, what went in beside what came out.

    python benchmarks/cookbook.py

All inputs are made of one room (examples/interior.jpg), as small as the page's test runs them. The
result is the preview of distance: near is light, masked is grey.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import shlex
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from panodepth.cli import main as panodepth
from panodepth.geometry.lens import ERP, Lens, Pinhole, View
from panodepth.geometry.lenses import Cubemap, DualFisheye, EquidistantFisheye, ERPPart
from panodepth.geometry.lenses.dual import THETA_SC
from panodepth.geometry.resampling import resample
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.images import read_image, srgb_to_linear

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/cookbook.md"
# Rows of the page's tables: what they are for, and their line.
ROWS = re.compile(r"^\| ([^|]+) \| `(panodepth predict [^`]+)` \|", re.MULTILINE)
SHEETS = {  # section of the page -> its sheet in docs/images
    "What took the picture": "cookbook_taken.jpg",
    "Tilted cameras": "cookbook_tilted.jpg",
    "Metres": "cookbook_metres.jpg",
    "Sky": "cookbook_sky.jpg",
    "Tripods, caps, and how sure it is": "cookbook_caps.jpg",
    "Sharp edges, large pictures": "cookbook_sharp.jpg",
    "What the result looks like": "cookbook_result.jpg",
    "Ordinary cameras": "cookbook_cameras.jpg",
    "Robots": "cookbook_robots.jpg",
    "Headsets and 3D photographs": "cookbook_headsets.jpg",
}
THUMB = (212, 106)  # at most (width, height) of a picture on a sheet [px]
CELL = (2 * THUMB[0] + 24, THUMB[1] + 26)
COLUMNS = 2
SHOWN = (".png", ".jpg", ".zip", ".exr")
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


def make_inputs(folder: Path) -> None:
    """A small picture of each name on the page in a folder, all of the same room."""
    room = np.ascontiguousarray(
        np.moveaxis(read_image(ROOT / "examples/interior.jpg").image, -1, 0)
    )
    taken: dict[str, tuple[Lens, tuple[int, int]]] = {
        "pano.jpg": (ERP(), (128, 256)),
        "large.jpg": (ERP(), (512, 1024)),
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
    save_kinds(folder)
    save_measured(folder)


def save_kinds(folder: Path) -> None:
    """The room in other kinds of file, a sweep of it on a black canvas, and files that are none."""
    import OpenEXR
    import pillow_heif

    room = Image.open(folder / "pano.jpg")
    room.save(folder / "pano.avif", quality=90)
    room.save(folder / "pano.gif")
    pillow_heif.from_pillow(room).save(folder / "phone.heic", quality=90)
    content = (folder / "phone.heic").read_bytes()
    (folder / "cut.heic").write_bytes(content[: len(content) // 2])
    light = srgb_to_linear(np.asarray(room) / np.float32(255)) * 40
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": light}).write(str(folder / "light.exr"))
    pixels = np.array(room)
    Image.fromarray(np.concatenate([pixels, pixels])).save(folder / "eyes.jpg", quality=92)
    half = pixels[:, pixels.shape[1] // 4 : -pixels.shape[1] // 4]
    Image.fromarray(np.hstack([half, half])).save(folder / "vr180.jpg", quality=92)
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
    valid = np.kron(~sky, np.full((2, 2), 255, np.uint8))  # a mask has the size of its picture
    Image.fromarray(valid).save(folder / "valid.png")
    Image.fromarray(rng.integers(0, 256, (128, 256, 3), np.uint8)).save(folder / "noise.png")


def turned(yaw_deg: float) -> Any:
    return rotation_from_yaw_pitch_roll(DEG(yaw_deg))


def save(path: Path, room: Any, view: View, **more: Any) -> None:
    image = np.moveaxis(resample(room, ERP(), view)[0], 0, -1)
    kind = "PNG" if path.suffix == ".png" else "JPEG"
    Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(path, kind, **more)


def sections(page: str) -> dict[str, list[tuple[str, str]]]:
    """Section -> (what it is for, its line), in the order of the page."""
    parts = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)
    return {name: ROWS.findall(text) for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def shown(line: str, out: Path) -> tuple[Image.Image, Image.Image]:
    """What a line reads and the picture that it writes, else the preview, run in the folder of the
    inputs.
    """
    words = shlex.split(line)[1:]
    words[-1] = str(out)
    plain = [] if "--format" in words else ["--format", "preview-plain"]
    if panodepth([*words, *plain, "--quiet"]) != 0:
        raise SystemExit(f"failed: {line}")
    file = next(file for file in sorted(out.iterdir()) if file.suffix in SHOWN)
    source = Path(words[1])
    pictures = sorted(source.glob("*.png")) if source.is_dir() else [source]
    joined = np.hstack([read_image(path).to_uint8() for path in pictures])
    return Image.fromarray(joined), opened(file)


def opened(file: Path) -> Image.Image:
    """The picture, or those in an archive, four in a row, or what pushes a dome."""
    if file.suffix == ".exr":
        return displacement(file)
    if file.suffix != ".zip":
        picture = Image.open(file)
        if picture.mode.startswith("I"):  # confidence, 16 bits
            picture = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
        return picture.convert("RGB")
    with zipfile.ZipFile(file) as whole:
        names = [name for name in whole.namelist() if name.startswith("images/")]
        pictures = [Image.open(io.BytesIO(whole.read(name))) for name in names]
    width, height = pictures[0].size
    columns = min(len(pictures), 4)
    sheet = Image.new("RGB", (columns * width, -(-len(pictures) // columns) * height), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number % columns * width, number // columns * height))
    return sheet


def displacement(file: Path) -> Image.Image:
    """What a dome's sphere is pushed by, lighter = nearer."""
    import OpenEXR

    with OpenEXR.File(str(file), separate_channels=True) as exr:
        push = exr.channels()["Y"].pixels
    near = 1 / (1 + push)
    return Image.fromarray(np.rint(255 * near / near.max()).astype(np.uint8)).convert("RGB")


def sheet(rows: list[tuple[str, str]], folder: Path) -> Image.Image:
    """A cell for each line: what it is for, the picture and the result."""
    font = ImageFont.load_default(12)
    down = -(-len(rows) // COLUMNS)
    whole = Image.new("RGB", (COLUMNS * CELL[0], down * CELL[1]), "white")
    draw = ImageDraw.Draw(whole)
    for number, (what, line) in enumerate(rows):
        left, top = number % COLUMNS * CELL[0], number // COLUMNS * CELL[1]
        what = re.sub(r" \(\[[^]]*\]\([^)]*\)\)", "", what).replace("`", "")  # without links
        draw.text((left + 4, top + 2), what if len(what) < 72 else f"{what[:70]}…", "black", font)
        for place, picture in enumerate(shown(line, folder / f"out{number}")):
            picture.thumbnail(THUMB)
            whole.paste(picture, (left + 4 + place * (THUMB[0] + 8), top + 20))
    return whole


def main() -> None:
    page = sections(PAGE.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder)
        before = Path.cwd()
        os.chdir(folder)
        for section, file in SHEETS.items():
            place = folder / file.removesuffix(".jpg")
            place.mkdir()
            made = sheet(page[section], place)
            made.save(ROOT / "docs/images" / file, quality=77, optimize=True)
            print(f"docs/images/{file}: {made.width}x{made.height}")
        os.chdir(before)


if __name__ == "__main__":
    main()
