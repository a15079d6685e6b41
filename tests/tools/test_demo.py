"""The demo in a real browser; needs Gradio, so it runs in an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.bad_pictures import BAD_PICTURES

import panodepth
from panodepth.app.demo import Demo
from panodepth.app.options import AppOptions
from panodepth.app.server import whole_app

pytest.importorskip("gradio", reason="needs the extra app")
uvicorn = pytest.importorskip("uvicorn")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium")
EXAMPLES = Path(__file__).parents[2] / "examples"
SOFTWARE = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SECONDS = 60_000  # [ms] that a picture may take here


@pytest.fixture(scope="module")
def demo() -> Demo:
    options = AppOptions(max_megabytes=8, pictures=24)
    return Demo(options, {"default": lambda: panodepth.load(dtype="float32", device="cpu")})


@pytest.fixture(scope="module")
def asked_outside() -> Iterator[list[str]]:
    """Names and addresses of other machines that this process, the server, asked for."""
    found: list[str] = []
    real = socket.getaddrinfo, socket.socket.connect

    def outside(host: Any) -> bool:
        name = host.decode() if isinstance(host, bytes) else str(host)
        return name not in ("None", "", "localhost", "127.0.0.1", "::1", "0.0.0.0")

    def resolved(host: Any, *rest: Any, **more: Any) -> Any:
        if outside(host):
            found.append(str(host))
        return real[0](host, *rest, **more)

    def connected(own: socket.socket, target: Any) -> Any:
        if isinstance(target, tuple) and outside(target[0]):
            found.append(str(target))
        return real[1](own, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolved)
        patch.setattr(socket.socket, "connect", connected)
        yield found


@pytest.fixture(scope="module")
def address(demo: Demo, asked_outside: list[str]) -> Iterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    app = whole_app(demo)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    assert not app.state.folder.exists()
    assert asked_outside == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=[*SOFTWARE, "--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The open page; the test fails when it asks another host, or a script of it fails."""
    asked: list[str] = []
    errors: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    opened = context.new_page()
    context.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda told: told.type == "error" and errors.append(told.text))
    opened.goto(address)
    opened.wait_for_selector("#predict", timeout=SECONDS)
    yield opened
    context.close()
    assert asked
    assert not [url for url in asked if not re.match(rf"{address}/|data:|blob:", url)]
    assert not errors


def give(page: Any, files: list[Path]) -> None:
    """Choose files, wait until they are sent, and click."""
    clear = page.locator("button[aria-label='Clear'], button[aria-label='Remove']")
    if clear.count():
        clear.first.click()
    page.set_input_files("input[type=file]", [str(file) for file in files])
    for file in files:
        page.wait_for_selector(f".file-preview >> text={file.suffix}")
    page.click("#predict")


def told(page: Any, state: str, count: int = 1) -> list[str]:
    """What the rows of that state say, once there are so many."""
    page.wait_for_function(
        "([state, count]) => document.querySelectorAll(`.rows .${state}`).length == count"
        " && !document.querySelector('.rows .working, .rows .waiting')",
        arg=[state, count],
        timeout=SECONDS,
    )
    return [str(text) for text in page.locator(f".rows .{state}").all_inner_texts()]


def download(page: Any, name: str, out: Path) -> Path:
    with page.expect_download(timeout=SECONDS) as waiting:
        page.click(f"#downloads a[href$='/{name}']")
    waiting.value.save_as(out)
    assert waiting.value.suggested_filename.startswith("room")
    return out


def test_a_picture_is_seen_measured_and_saved(page: Any, tmp_path: Path) -> None:
    picture = tmp_path / "room.jpg"
    shutil.copy(EXAMPLES / "interior.jpg", picture)
    page.fill("input[type=number]", "1.6")
    give(page, [picture])
    assert "room" in told(page, "done")[0]
    page.wait_for_function(
        "[...document.querySelectorAll('#slider img')].filter(i => i.naturalWidth == 1024)"
        ".length == 2",
        timeout=SECONDS,
    )
    page.click("button[role=tab]:has-text('Files')")
    found = np.load(download(page, "npz", tmp_path / "room.npz"))
    wanted = panodepth.load(dtype="float32", device="cpu").predict(picture, camera_height=1.6)
    np.testing.assert_allclose(found["distance"], wanted.distance, rtol=1e-5)
    assert download(page, "glb", tmp_path / "room.glb").read_bytes()[:4] == b"glTF"
    with zipfile.ZipFile(download(page, "obj", tmp_path / "room.zip")) as archive:
        assert len(archive.namelist()) == 3
    assert "m per unit" in page.inner_text("#downloads")
    page.click("button[role=tab]:has-text('In 3D')")
    frame = page.frame_locator("iframe.viewer")
    frame.locator("body[data-ready]").wait_for(state="attached", timeout=SECONDS)
    assert frame.locator("h1").inner_text() == "room"
    assert frame.locator("#full").is_visible()  # not where the frame may not fill the screen


def test_bad_files_are_told_in_a_sentence_each_and_the_next_click_works(
    page: Any, tmp_path: Path
) -> None:
    files = []
    for name, make, _ in BAD_PICTURES:
        files.append(tmp_path / name)
        make(files[-1])
    too_big = tmp_path / "big.jpg"
    too_big.write_bytes((EXAMPLES / "interior.jpg").read_bytes() + bytes(8_000_000))
    give(page, [*files, too_big])
    texts = told(page, "failed", len(files) + 1)
    for text, (_, _, says) in zip(texts, BAD_PICTURES, strict=False):
        assert says in text
        assert "\n" not in text
    assert "above 8 MB" in texts[-1]
    assert "/tmp" not in "".join(texts)
    page.click("text=Example: courtyard")
    assert "courtyard" in told(page, "done")[0]


def test_several_pictures_and_one_bad_one(page: Any, demo: Demo, tmp_path: Path) -> None:
    names = ["one.png", "bad.png", "two.png"]
    for name in names:
        Image.open(EXAMPLES / "interior.jpg").resize((256, 128)).save(tmp_path / name)
    (tmp_path / "bad.png").write_text("text")
    give(page, [tmp_path / name for name in names])
    assert len(told(page, "done", 2)) == 2
    assert page.locator("#results label").all_inner_texts() == ["one", "two"]
    page.click("#results label:has-text('one')")
    page.click("button[role=tab]:has-text('Files')")
    page.wait_for_selector("#downloads >> text=one: 256×128")
    before = len(demo.results)
    page.goto("about:blank")  # the visitor leaves: his results go, too
    for _ in range(100):
        if len(demo.results) == before - 2:
            break
        page.wait_for_timeout(100)
    assert len(demo.results) == before - 2


def test_two_visitors_with_one_name_have_their_own_results(
    browser: Any, address: str, demo: Demo, tmp_path: Path
) -> None:
    seen = []
    for number, example in enumerate(("interior", "courtyard")):
        folder = tmp_path / str(number)
        folder.mkdir()
        Image.open(EXAMPLES / f"{example}.jpg").resize((256, 128)).save(folder / "same.png")
        context = browser.new_context()
        seen.append(context.new_page())
        seen[-1].goto(address)
        seen[-1].wait_for_selector("#predict", timeout=SECONDS)
        seen[-1].set_input_files("input[type=file]", str(folder / "same.png"))
        seen[-1].wait_for_selector(".file-preview >> text=same")
    for page in seen:
        page.click("#predict")
    tokens = []
    for page in seen:
        told(page, "done")
        page.click("button[role=tab]:has-text('Files')")
        link = page.wait_for_selector("#downloads a[href$='/npz']")
        tokens.append(link.get_attribute("href").split("/")[1])
    one, two = (demo.results.get(token) for token in tokens)
    assert one.session != two.session
    assert (one.name, two.name) == ("same", "same")
    assert np.abs(one.prediction.distance - two.prediction.distance).max() > 0.1
    for page in seen:
        page.context.close()


def started(*options: str, folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(folder), "NO_PROXY": "*"}
    return subprocess.Popen(
        [sys.executable, "-m", "panodepth", "app", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_the_command_listens_here_alone_and_leaves_nothing(tmp_path: Path) -> None:
    with started(folder=tmp_path) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert url.startswith("http://127.0.0.1:")
        page = urllib.request.urlopen(url, timeout=60)
        assert page.status == 200
        assert list(tmp_path.glob("panodepth-app-*"))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGTERM)
    assert not list(tmp_path.glob("panodepth-app-*"))
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--model", "nowhere"], "no model 'nowhere'"),
        (["--host", "203.0.113.1"], "cannot listen at 203.0.113.1:0"),
        (["--host", ""], "--host is empty"),
    ],
)
def test_what_cannot_start_is_one_line(tmp_path: Path, options: list[str], says: str) -> None:
    with started(*options, folder=tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_a_phone_shows_all_that_a_result_is(browser: Any, address: str) -> None:
    """No tab is hidden behind a menu, and nothing is wider than the screen."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, is_mobile=True)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("#predict", timeout=SECONDS)
    for name in ("Distance", "In 3D", "Files"):
        page.wait_for_selector(f"button[role=tab]:has-text('{name}')", state="visible")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    context.close()


def test_nothing_chosen_and_a_bad_height_are_told(page: Any) -> None:
    page.click("#predict")
    page.wait_for_selector("#status .problem >> text=no picture")
    page.fill("input[type=number]", "-1")
    page.click("text=Example: courtyard")
    page.wait_for_selector("#status .problem >> text=camera height must be a positive number")
