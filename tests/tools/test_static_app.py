"""The site that predicts in the browser, beside `predict` with the same ONNX file."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

import panodepth
from panodepth.app.static import write_site
from panodepth.export.saved import read_saved
from panodepth.model.fast.int8 import int8_works
from panodepth.types import BoolArray, FloatArray

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import browser
from browser import give

pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason="needs the program chromium")
EXAMPLES = Path(__file__).parents[2] / "examples"
DOCS = Path(__file__).parents[2] / "docs" / "static.md"
[POLICY] = re.findall("^default-src .*", DOCS.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    files = write_site(folder)
    sizes = [file.stat().st_size for file in files]
    assert sum(sizes) < 25e6
    assert max(sizes) < 20e6
    return folder


@pytest.fixture(scope="module")
def reference(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`predict` with the site's own network."""
    return network_of(site, tmp_path_factory.mktemp("model"))


def network_of(site: Path, folder: Path) -> Any:
    """The site's own ONNX file, loaded."""
    model = folder / "model.onnx"
    model.write_bytes(gzip.decompress((site / "model.bin").read_bytes()))
    return panodepth.load(model)


@pytest.fixture
def page(site: Path) -> Iterator[Any]:
    """The open page, whose host is strict; the test fails when it asks another for anything."""
    headers = {"Content-Security-Policy": POLICY}
    with browser.opened(site, headers=headers) as (opened, asked, address):
        yield opened
    assert asked
    assert not [url for url in asked if not re.match(rf"{address}/|data:|blob:", url)]


def at_a_step(distance: FloatArray) -> BoolArray:
    """(H, W): one of the pixels around, across the seam too, is a tenth nearer or farther."""
    rows = np.pad(distance, ((1, 1), (0, 0)), "edge")
    log = np.log(np.pad(rows, ((0, 0), (1, 1)), "wrap"))
    around = sliding_window_view(log, (3, 3))
    return np.asarray(np.abs(around - log[1:-1, 1:-1, None, None]).max((2, 3)) > np.log(1.1))


def download(page: Any, button: str, out: Path) -> Path:
    with page.expect_download() as waiting:
        page.click(button)
    waiting.value.save_as(out)
    return out


def test_it_says_what_predict_says_and_its_files_open(
    page: Any, reference: Any, tmp_path: Path
) -> None:
    picture = tmp_path / "interior.png"
    Image.open(EXAMPLES / "interior.jpg").resize((640, 320)).save(picture)
    bad = tmp_path / "bad.jpg"
    bad.write_text("text")
    assert "no picture" in give(page, bad)
    square = tmp_path / "square.png"
    Image.new("RGB", (64, 64)).save(square)
    assert "twice as wide" in give(page, square)
    assert give(page, picture) == ""

    found = np.load(download(page, "#npz", tmp_path / "found.npz"))
    wanted = reference.predict(picture, level="none")
    assert (found["mask"] == ~found["sky"]).all()
    assert found["mask"][wanted.mask].all()
    error = np.abs(found["distance"] / wanted.distance - 1)
    assert error[wanted.mask].mean() < 1e-5
    # Rounding may put a pixel at an edge on the edge's other side.
    apart = wanted.mask & (error >= 1e-3)
    assert apart.sum() <= 1e-3 * wanted.mask.sum()
    assert not (apart & ~at_a_step(wanted.distance)).any()

    channels = OpenEXR.File(str(download(page, "#exr", tmp_path / "found.exr"))).channels()
    assert np.array_equal(channels["A"].pixels == 1, found["mask"])
    image = channels["Y"].pixels
    assert np.array_equal(image, np.where(found["sky"], np.float32(1e10), found["distance"]))

    trimesh = pytest.importorskip("trimesh")
    cloud = trimesh.load(download(page, "#ply", tmp_path / "found.ply"))
    assert len(cloud.vertices) == found["mask"].sum()
    lengths = np.linalg.norm(cloud.vertices, axis=1)
    assert lengths == pytest.approx(found["distance"][found["mask"]], rel=1e-5)

    scene = trimesh.load(download(page, "#glb", tmp_path / "found.glb"))
    [mesh] = scene.geometry.values()
    assert len(mesh.faces) > 300_000
    seen = wanted.points[wanted.mask].max(0), wanted.points[wanted.mask].min(0)
    assert mesh.bounds[1] == pytest.approx([seen[0][0], -seen[1][1], -seen[1][2]], rel=0.01)
    assert mesh.visual.material.baseColorTexture.size == (640, 320)

    frame = page.frame_locator("iframe")
    frame.locator("body[data-ready]").wait_for(state="attached", timeout=60_000)
    assert frame.locator("h1").inner_text() == "interior"
    saved = download(page, "#html", tmp_path / "interior.html").read_text()
    assert 'id="distance-0"' in saved


@pytest.mark.parametrize("height", [320, 700, 1024])  # as it is; shrunk by a filter; by boxes
def test_its_sky_is_that_of_predict(page: Any, reference: Any, tmp_path: Path, height: int) -> None:
    """Without the picture's colours one pixel in 200 would be on the border's other side."""
    picture = tmp_path / "courtyard.png"
    Image.open(EXAMPLES / "courtyard.jpg").resize((2 * height, height)).save(picture)
    assert give(page, picture) == ""
    found = np.load(download(page, "#npz", tmp_path / "found.npz"))
    wanted = reference.predict(picture, level="none")
    assert wanted.sky.mean() > 0.04
    alike = found["sky"] == wanted.sky
    error = np.abs(found["distance"] / wanted.distance - 1)[alike]
    print(f"{height} rows: {alike.mean():.4%} of the sky mask alike, distances {error.mean():.1e}")
    assert alike.mean() > 0.999
    assert error.mean() < 1e-5


def test_it_works_without_a_network_after_the_first_visit(
    page: Any, reference: Any, tmp_path: Path
) -> None:
    page.evaluate("navigator.serviceWorker.ready")
    page.context.set_offline(True)
    page.reload()
    assert give(page, EXAMPLES / "interior.jpg") == ""
    found = np.load(download(page, "#npz", tmp_path / "found.npz"))
    wanted = reference.predict(EXAMPLES / "interior.jpg", level="none")
    error = np.abs(found["distance"] / wanted.distance - 1)[wanted.mask]
    assert error.mean() < 0.01  # the browser decodes JPEG by itself


def test_an_example_is_a_picture_like_any_other(page: Any, reference: Any, tmp_path: Path) -> None:
    page.evaluate("navigator.serviceWorker.ready")
    page.context.set_offline(True)  # it is kept for then, too
    page.reload()
    page.click("#examples button[title*=interior]")
    page.locator("body[data-done='interior.jpg']").wait_for(timeout=120_000)
    found = np.load(download(page, "#npz", tmp_path / "found.npz"))
    wanted = reference.predict(EXAMPLES / "interior.jpg", level="none")
    error = np.abs(found["distance"] / wanted.distance - 1)[wanted.mask]
    assert error.mean() < 0.01  # the browser decodes JPEG by itself
    assert not page.locator("#examples").is_visible()


def test_a_given_length_gives_metres_to_every_file(page: Any, tmp_path: Path) -> None:
    page.click("#examples button[title*=interior]")
    page.locator("body[data-done]").wait_for(timeout=120_000)
    frame = page.frame_locator("iframe")
    frame.locator("body[data-ready]").wait_for(state="attached", timeout=60_000)
    relative = np.load(download(page, "#npz", tmp_path / "relative.npz"))
    assert read_saved(tmp_path / "relative.npz").unit == "relative"
    frame.locator("#measure").click()
    box = page.locator("iframe").bounding_box()
    for x in (0.45, 0.6):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + 0.5 * box["height"])
    frame.locator("#give").click()
    frame.locator("#known input").fill("2.5")
    frame.locator("#known [value=ok]").click()
    scaled = frame.locator("body[data-metres-per-unit]")
    scale = float(scaled.get_attribute("data-metres-per-unit"))
    assert scale > 0

    found = np.load(download(page, "#npz", tmp_path / "found.npz"))
    assert read_saved(tmp_path / "found.npz").unit == "m"
    distance = relative["distance"] * np.float32(scale)
    assert found["distance"] == pytest.approx(distance, rel=1e-6)
    header = OpenEXR.File(str(download(page, "#exr", tmp_path / "found.exr"))).header()
    assert header["unit"] == "m"
    cloud = download(page, "#ply", tmp_path / "found.ply").read_bytes()
    assert b"comment unit: m\n" in cloud[:400]
    kind = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])
    points = np.frombuffer(cloud.partition(b"end_header\n")[2], kind)["xyz"]
    lengths = np.linalg.norm(points, axis=1)
    assert lengths == pytest.approx(distance[found["mask"]], rel=1e-5)
    file = download(page, "#glb", tmp_path / "found.glb").read_bytes()
    tree = json.loads(file[20 : 20 + int.from_bytes(file[12:16], "little")])
    assert tree["asset"]["extras"] == {"unit": "m"}
    assert max(tree["accessors"][0]["max"]) == pytest.approx(np.abs(points).max(), rel=0.2)
    saved = download(page, "#html", tmp_path / "interior.html").read_text()
    [room] = json.loads(re.findall('id="rooms">(.*?)</script>', saved)[0])
    assert room["unit"] == "m"
    assert room["near"] == pytest.approx(distance[found["mask"]].min(), rel=1e-6)
    assert "metres by a given length" in room["about"]


def test_eight_bits_say_what_predict_says_with_them(tmp_path: Path) -> None:
    site = tmp_path / "site"
    sizes = {file.name: file.stat().st_size for file in write_site(site, int8=True)}
    assert sizes["model.bin"] < 6e6
    picture = tmp_path / "interior.png"
    Image.open(EXAMPLES / "interior.jpg").resize((640, 320)).save(picture)
    with browser.opened(site) as (page, _, _):
        assert give(page, picture) == ""
        found = np.load(download(page, "#npz", tmp_path / "found.npz"))
    wanted = network_of(site, tmp_path).predict(picture, level="none")
    error = np.abs(found["distance"] / wanted.distance - 1)[wanted.mask]
    print(f"int8: mean relative difference {error.mean():.1e}, worst {error.max():.1e}")
    # Where sums of two products are clipped `predict` itself is off by more: 4.4e-3.
    assert error.mean() < (3e-3 if int8_works() else 6e-3)


def test_a_picture_given_meanwhile_is_the_next_one(page: Any, tmp_path: Path) -> None:
    """Also one that is dropped on the viewer, which a browser would open in place of the page."""
    for name in ("one", "two", "three"):
        Image.new("RGB", (64, 32)).save(tmp_path / f"{name}.png")
        page.set_input_files("input", str(tmp_path / f"{name}.png"))
    page.wait_for_selector("body[data-done='three.png']", state="attached", timeout=120_000)
    assert page.inner_text("#status") == ""
    frame = page.frame_locator("iframe")
    frame.locator("body[data-ready]").wait_for(state="attached", timeout=60_000)
    assert frame.locator("h1").inner_text() == "three"
    drop = """() => {
        const drop = new DragEvent("drop", { cancelable: true, dataTransfer: new DataTransfer() });
        document.querySelector("iframe").contentWindow.dispatchEvent(drop);
        return drop.defaultPrevented;
    }"""
    assert page.evaluate(drop)


def test_what_is_said_and_offered_beside_the_viewer_does_not_overlap(
    page: Any, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 32)).save(tmp_path / "picture.png")
    assert give(page, tmp_path / "picture.png") == ""
    (tmp_path / "text.jpg").write_text("text")
    assert "no picture" in give(page, tmp_path / "text.jpg")
    for width in (320, 360, 760, 900):
        page.set_viewport_size({"width": width, "height": 640})
        boxes = page.evaluate("""["label", "#status", "nav", "iframe"].map((what) => {
            const { left, top, right, bottom } =
                document.querySelector(what).getBoundingClientRect();
            return [left, top, right, bottom];
        })""")
        for i, (left, top, right, bottom) in enumerate(boxes):
            assert left >= 0
            assert right <= width
            for other in boxes[:i]:
                beside = right <= other[0] or other[2] <= left
                assert beside or bottom <= other[1] or other[3] <= top, (width, boxes)
