"""The viewer in a real browser, on a box room whose every length is known."""

from __future__ import annotations

import io
import math
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panodepth.export.html.page import Place, write_rooms
from panodepth.types import Prediction

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium")

# x right, y down, z forward, the camera at the origin [m]
LOW, HIGH = np.array([-2.0, -1.1, -3.0]), np.array([2.5, 1.6, 4.0])
WIDTH, HEIGHT = 1000, 700
FOV_DEG = 75.0  # of the view inside, from top to bottom
SOFTWARE = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def box(unit: str = "m", name: str = "box") -> Prediction:
    """The room, each wall of another colour, with a grid of lines half a metre apart."""
    rows, columns = 128, 256
    lon = ((np.arange(columns) + 0.5) / columns - 0.5) * 2 * np.pi
    lat = (((np.arange(rows) + 0.5) / rows - 0.5) * np.pi)[:, None]
    rays = np.stack(
        [np.cos(lat) * np.sin(lon), np.sin(lat) + 0 * lon, np.cos(lat) * np.cos(lon)], axis=-1
    )
    walls = np.where(rays > 0, HIGH / rays, LOW / rays)
    wall = (
        2 * walls.argmin(-1)
        + (np.take_along_axis(rays, walls.argmin(-1)[..., None], -1) > 0)[..., 0]
    )
    distance = walls.min(-1)
    lines = (np.abs((rays * distance[..., None] * 2 + 0.5) % 1 - 0.5) < 0.06).sum(-1) > 1
    colours = np.random.default_rng(3).integers(60, 230, (6, 3))
    image = np.where(lines[..., None], 20, colours[wall]).astype(np.uint8)
    mask = np.ones((rows, columns), bool)
    return Prediction(distance.astype(np.float32), mask, image, {"name": name, "unit": unit})


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    arguments = [*SOFTWARE, "--no-sandbox"]
    with sync_api.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


Opener = Callable[..., Any]


@pytest.fixture
def open_page(browser: Any) -> Iterator[Opener]:
    """Opens a file; the test fails when the page asks for anything else or logs an error."""
    asked: list[str] = []
    errors: list[str] = []
    contexts = []

    def opened(path: Path, anchor: str = "", script: str = "", **context: Any) -> Any:
        contexts.append(
            browser.new_context(**{"viewport": {"width": WIDTH, "height": HEIGHT}, **context})
        )
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and errors.append(message.text))
        if script:
            page.add_init_script(script)
        page.goto(path.as_uri() + anchor)
        page.wait_for_selector("body[data-ready], body.failed", state="attached", timeout=60_000)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not [url for url in asked if not re.match(r"(file|data|blob):", url)]
    assert not errors


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rooms([box()], tmp_path_factory.mktemp("room") / "room.html")[0]


def window(x: float, y: float, z: float) -> tuple[float, float]:
    """Where a point before the camera is seen in the first view [px]."""
    focal = HEIGHT / 2 / math.tan(math.radians(FOV_DEG / 2))
    return WIDTH / 2 + focal * x / z, HEIGHT / 2 + focal * y / z


def read(page: Any, at: tuple[float, float]) -> tuple[float, str]:
    """What the page says of a point of the window: the distance, and all of it."""
    page.mouse.move(at[0] - 4, at[1])
    page.mouse.move(*at)
    page.wait_for_selector("#chip:not([hidden])")
    text = page.inner_text("#chip")
    return float(text.split()[0]), text


def project(page: Any, x: float, y: float, z: float) -> tuple[float, float]:
    """Where a point of the house frame is seen now [px], by the page's own camera."""
    code = """([x, y, z]) => {
        const { camera } = panodepth.views;
        camera.updateMatrixWorld();
        const p = camera.position.clone().set(x, -y, -z).project(camera);
        return [(p.x + 1) / 2 * innerWidth, (1 - p.y) / 2 * innerHeight];
    }"""
    found = page.evaluate(code, [x, y, z])
    return found[0], found[1]


def drawn(page: Any) -> None:
    """Wait until what was asked for is on the screen: two frames on."""
    page.evaluate("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


def pixels(page: Any) -> np.ndarray:
    shot = page.locator("#canvas").screenshot(timeout=60_000)
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


@pytest.mark.parametrize("view", ["inside", "dollhouse", "top"])
def test_the_canvas_is_not_blank(room: Path, open_page: Opener, view: str) -> None:
    page = open_page(room, f"#view={view}")
    drawn(page)
    shown = pixels(page)[150:450, 300:700].reshape(-1, 3)
    assert len(np.unique(shown, axis=0)) > 50
    assert shown.std() > 10


@pytest.mark.parametrize(
    "point", [(0.0, 0.0, 4.0), (1.7, -0.6, 4.0), (-2.0, 0.5, 2.6), (0.4, 1.6, 3.0)]
)
def test_a_wall_says_its_distance(
    room: Path, open_page: Opener, point: tuple[float, float, float]
) -> None:
    page = open_page(room)
    found, text = read(page, window(*point))
    assert found == pytest.approx(math.hypot(*point), rel=0.01)
    x, y, z = point
    right, up = (
        round(math.degrees(math.atan2(*sides))) for sides in ((x, z), (-y, math.hypot(x, z)))
    )
    degrees = [int(number) for number in re.findall(r"(\d+)°", text)]
    assert degrees == pytest.approx([abs(right), abs(up)], abs=1)
    assert ("left" in text) == (right < 0)
    assert ("down" in text) == (up < 0)


def test_the_tape_measures_two_metres(room: Path, open_page: Opener) -> None:
    page = open_page(room)
    page.click("#measure")
    for x in (-1.0, 1.0):
        page.mouse.move(*window(x, 0.4, 4.0))
        page.mouse.click(*window(x, 0.4, 4.0))
    label = page.wait_for_selector("#tapes .done text")
    length, unit = label.text_content().split()
    assert float(length) == pytest.approx(2.0, abs=0.02)
    assert unit == "m"
    page.click("#clear")
    page.wait_for_selector("#tapes .done", state="detached")


def test_the_tape_measures_in_the_dollhouse(room: Path, open_page: Opener) -> None:
    """Two corners of a square metre on the floor, seen from outside with the ceiling cut away."""
    page = open_page(room, "#view=dollhouse")
    page.keyboard.press("m")
    for point in ((-0.5, 1.6, 0.5), (0.5, 1.6, 1.5)):
        page.mouse.click(*project(page, *point))
    label = page.wait_for_selector("#tapes .done text")
    assert float(label.text_content().split()[0]) == pytest.approx(math.sqrt(2), abs=0.02)


def test_the_ceiling_is_cut_and_comes_back(room: Path, open_page: Opener) -> None:
    page = open_page(room, "#view=top")
    below = project(page, 0.5, 1.6, 0.5)
    floor, _ = read(page, below)
    assert floor == pytest.approx(math.hypot(0.5, 1.6, 0.5), rel=0.01)
    assert re.fullmatch(r"2\.5\d m", page.inner_text("#cut output"))  # of the room's 2.70 m
    cut = page.locator("#cut input")
    cut.evaluate("input => { input.value = 100; input.dispatchEvent(new Event('input')); }")
    page.mouse.move(*project(page, -1.99, 0.5, 1.0))
    wall_top = page.evaluate(
        "panodepth.extent.floor + 0.1 * (panodepth.extent.top - panodepth.extent.floor)"
    )
    assert -1.6 < wall_top < -1.2
    page.click("#views [data-view=inside]")
    assert page.locator("#cut").is_hidden()


def test_walking_changes_what_is_seen_not_the_distance_from_the_camera(
    room: Path, open_page: Opener
) -> None:
    page = open_page(room)
    before, _ = read(page, window(0.0, 0.0, 4.0))
    page.mouse.wheel(0, -300)
    page.evaluate("panodepth.views.walk(panodepth.views.walker.position.clone().set(0.5, 0, -1))")
    after, _ = read(page, project(page, 0.9, 0.3, 4.0))
    assert before == pytest.approx(4.0, rel=0.01)
    assert after == pytest.approx(math.hypot(0.9, 0.3, 4.0), rel=0.01)


def test_colours_and_the_split(room: Path, open_page: Opener) -> None:
    page = open_page(room)
    drawn(page)
    photo = pixels(page)
    page.click("#colours [data-colour=distance]")
    drawn(page)
    distance = pixels(page)
    page.click("#compare")
    drawn(page)
    both = pixels(page)
    left, right = np.s_[200:600, 100:300], np.s_[250:600, 620:720]
    assert np.abs(photo[left] - distance[left]).mean() > 20
    assert np.abs(both[left] - photo[left]).mean() < 3
    assert np.abs(both[right] - distance[right]).mean() < 3


def test_one_known_length_gives_metres(open_page: Opener, tmp_path: Path) -> None:
    page = open_page(write_rooms([box("relative")], tmp_path / "relative.html")[0])
    assert "rel." in read(page, window(0.0, 0.0, 4.0))[1]
    page.click("#measure")
    for x in (-1.0, 1.0):
        page.mouse.click(*window(x, 0.4, 4.0))
    page.click("#tapes .done rect", force=True)
    page.fill("#known input", "3")
    page.click("#known [value=ok]")
    page.keyboard.press("Escape")
    assert read(page, window(0.0, 0.0, 4.0))[0] == pytest.approx(6.0, rel=0.01)
    page.wait_for_selector("#tapes .done text:text-is('3.00 m')")


def test_a_known_length_is_of_its_own_room(open_page: Opener, tmp_path: Path) -> None:
    """Rooms without places have units of their own; Enter in the field presses the button."""
    rooms = [box("relative", "one"), box("relative", "two"), box("m", "three")]
    page = open_page(write_rooms(rooms, tmp_path / "rooms.html")[0])
    page.click("#measure")
    for x in (-1.0, 1.0):
        page.mouse.click(*window(x, 0.4, 4.0))
    page.click("#tapes .done rect", force=True)
    page.fill("#known input", "3")
    page.press("#known input", "Enter")
    page.keyboard.press("Escape")
    ahead = window(0.0, 0.0, 4.0)
    assert read(page, ahead)[1].startswith("6.00 m")
    page.click("#stepper button:has-text('two')")
    assert read(page, ahead)[1].startswith("4.00 rel.")
    page.click("#stepper button:has-text('three')")
    assert read(page, ahead)[1].startswith("4.00 m")
    assert "in metres" in page.text_content("#units")
    page.click("#stepper button:has-text('one')")
    assert read(page, ahead)[1].startswith("6.00 m")


def test_the_pointer_and_the_tape_have_one_unit(open_page: Opener, tmp_path: Path) -> None:
    """A place gives what a unit of its room is worth in the common one."""
    places = [Place(), Place(position=(10.0, 0.0, 0.0), scale=2.0)]
    rooms = [box("relative", "one"), box("relative", "two")]
    page = open_page(write_rooms(rooms, tmp_path / "two.html", places)[0], "#room=2")
    assert read(page, (WIDTH / 2, HEIGHT / 2))[0] == pytest.approx(8.0, rel=0.01)
    page.click("#measure")
    for x in (-1.0, 1.0):
        page.mouse.click(*window(x, 0.4, 4.0))
    label = page.wait_for_selector("#tapes .done text")
    assert float(label.text_content().split()[0]) == pytest.approx(4.0, abs=0.04)


def test_a_phone(room: Path, open_page: Opener) -> None:
    phone = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
    page = open_page(room, **phone)
    page.touchscreen.tap(195, 390)
    assert float(page.inner_text("#chip").split()[0]) == pytest.approx(4.0, rel=0.01)
    assert page.locator("#looks").is_hidden()
    page.tap("#more")
    assert page.locator("#looks").is_visible()
    page.tap("#views [data-view=dollhouse]")
    assert page.locator("#cut").is_visible()
    inside = page.evaluate(
        "[...document.querySelectorAll('.panel')].filter(p => p.offsetParent || p.offsetWidth)"
        ".every(p => { const b = p.getBoundingClientRect();"
        " return b.left >= 0 && b.right <= innerWidth && b.bottom <= innerHeight; })"
    )
    assert inside


def test_a_picture_is_saved(room: Path, open_page: Opener, tmp_path: Path) -> None:
    page = open_page(room)
    with page.expect_download() as waiting:
        page.click("#shot")
    waiting.value.save_as(tmp_path / "shot.png")
    assert waiting.value.suggested_filename == "box_view.png"
    assert np.asarray(Image.open(tmp_path / "shot.png")).std() > 10


def test_rooms_are_stepped_through(open_page: Opener, tmp_path: Path) -> None:
    places = [Place(), Place(position=(10.0, 0.0, 0.0), yaw_deg=90.0)]
    rooms = [box(name="one"), box(name="two")]
    page = open_page(write_rooms(rooms, tmp_path / "two.html", places)[0])
    assert page.inner_text("h1") == "one"
    page.click("#stepper button:has-text('two')")
    assert page.inner_text("h1") == "two"
    # Its camera looks to the right of the common frame; the view still looks ahead, at its left.
    assert read(page, (WIDTH / 2, HEIGHT / 2))[0] == pytest.approx(2.0, rel=0.01)
    page.evaluate("panodepth.views.look(-90, 0)")
    page.click("#spots button:has-text('one')")
    assert page.inner_text("h1") == "one"
    page.click("#views [data-view=dollhouse]")
    found = page.evaluate("panodepth.surfaces.filter(s => s.group.visible).length")
    drawn(page)
    assert page.evaluate("panodepth.shown.length") == 2, found


@pytest.mark.parametrize("damage", ["cut", "text"])
def test_a_damaged_page_says_so(room: Path, open_page: Opener, tmp_path: Path, damage: str) -> None:
    content = room.read_text()
    start = content.index('id="distance-0">') + len('id="distance-0">')
    end = start + 400 if damage == "cut" else start + 40
    rest = content[content.index("</script>", start) :] if damage == "cut" else "?" + content[end:]
    bad = tmp_path / "bad.html"
    bad.write_text(content[:end] + rest)
    page = open_page(bad)
    assert "damaged" in page.inner_text("#problem")
    assert page.locator(".panel:visible").count() == 0


def test_without_webgl_a_sentence_says_so(room: Path, open_page: Opener) -> None:
    page = open_page(room, script="HTMLCanvasElement.prototype.getContext = () => null;")
    assert "WebGL" in page.inner_text("#problem")


def test_an_old_browser_is_told(room: Path, open_page: Opener) -> None:
    page = open_page(room, script="delete window.DecompressionStream;")
    assert "too old" in page.inner_text("#problem")


@pytest.mark.parametrize("anchor", ["#yaw=abc&pitch=1e309&room=x", "#room=1.5", "#yaw=&room=1e309"])
def test_what_is_no_number_in_the_address_is_not_there(
    room: Path, open_page: Opener, anchor: str
) -> None:
    page = open_page(room, anchor, viewport={"width": 240, "height": 160})
    assert page.evaluate("[panodepth.views.yaw, panodepth.views.pitch, panodepth.room]") == [0] * 3


def test_a_graphics_card_that_was_lost_draws_again(room: Path, open_page: Opener) -> None:
    page = open_page(room)
    before = pixels(page)
    page.evaluate("""() => new Promise(done => {
        const canvas = document.querySelector("#canvas");
        const card = panodepth.renderer.getContext().getExtension("WEBGL_lose_context");
        canvas.addEventListener("webglcontextlost", () => setTimeout(() => card.restoreContext()));
        canvas.addEventListener("webglcontextrestored", () => setTimeout(done, 500));
        card.loseContext();
    })""")
    np.testing.assert_allclose(pixels(page), before, atol=1)
