"""The viewer in a headset: one that the package iwer plays in Chromium, drawn side by side."""

# ruff: noqa: F811, fixtures are parameters

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tools.test_viewer import (  # noqa: F401, some are fixtures
    CHROMIUM,
    HIGH,
    Opener,
    box,
    browser,
    open_page,
    pixels,
    room,
)

from panodepth.export.html.page import Place, write_rooms

PLAYER = Path(__file__).parents[2] / "web/node_modules/iwer/build/iwer.min.js"
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium"),
    pytest.mark.skipif(not PLAYER.exists(), reason="needs web/node_modules (npm ci in web)"),
]
WORN = """;{
    const { XRDevice, metaQuest3 } = IWER;
    window.device = new XRDevice(metaQuest3);
    device.installRuntime({ forceInstall: true });
    device.stereoEnabled = true;
    device.position.set(0.2, 1.1, -0.3);
}"""
HEAD = """() => {
    const { matrixWorld, cameras } = panodepth.renderer.xr.getCamera();
    const at = [12, 13, 14].map((i) => {
        const sum = cameras.reduce((total, c) => total + c.matrixWorld.elements[i], 0);
        return sum / cameras.length;
    });
    return { at, back: matrixWorld.elements.slice(8, 11) };
}"""


def wear(open_page: Opener, path: Path, **more: Any) -> Any:
    page = open_page(path, script=PLAYER.read_text("utf-8") + WORN, **more)
    page.wait_for_selector("#headset:not([hidden])")
    page.click("#headset")
    page.wait_for_function("panodepth.headset.on")
    frames(page)
    return page


def frames(page: Any, count: int = 3) -> None:
    """Wait until the headset has drawn so many."""
    page.evaluate(
        """count => new Promise(done => {
            const { renderer } = panodepth, first = renderer.info.render.frame;
            const look = () => renderer.info.render.frame >= first + count
                ? done() : setTimeout(look, 5);
            look();
        })""",
        count,
    )


def head(page: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where the head is, and the direction it looks in: x right, y up, z back."""
    found = page.evaluate(HEAD)
    return np.array(found["at"]), -np.array(found["back"])


def eyes_apart(page: Any) -> float:
    code = """() => {
        const [a, b] = panodepth.renderer.xr.getCamera().cameras;
        const place = (c) => c.position.clone().setFromMatrixPosition(c.matrixWorld);
        return place(a).distanceTo(place(b));
    }"""
    return float(page.evaluate(code))


def test_without_a_headset_there_is_no_button(room: Path, open_page: Opener) -> None:
    page = open_page(room)
    assert page.locator("#headset").is_hidden()
    page.keyboard.press("v")
    assert not page.evaluate("panodepth.headset.on")


def test_both_eyes_see_the_room_at_its_size(room: Path, open_page: Opener) -> None:
    page = wear(open_page, room)
    apart = page.evaluate("device.ipd")
    assert eyes_apart(page) == pytest.approx(apart, rel=1e-4)
    at, ahead = head(page)
    np.testing.assert_allclose(at, 0, atol=1e-6)
    np.testing.assert_allclose(ahead, [0, 0, -1], atol=1e-6)
    left, right = np.split(pixels(page), 2, axis=1)
    for eye in (left, right):
        assert len(np.unique(eye.reshape(-1, 3), axis=0)) > 50
    # The far wall, HIGH[2] away, is shifted by the eyes' distance over its own.
    focal = page.evaluate(
        "panodepth.renderer.xr.getCamera().cameras[0].projectionMatrix.elements[0]"
    )
    wanted = focal * apart / HIGH[2] * left.shape[1] / 2
    rows = slice(left.shape[0] // 2 - 40, left.shape[0] // 2 + 40)
    middle = slice(left.shape[1] // 4, 3 * left.shape[1] // 4)
    off = [
        np.abs(left[rows, middle] - np.roll(right, s, 1)[rows, middle]).mean() for s in range(30)
    ]
    assert int(np.argmin(off)) == pytest.approx(wanted, abs=1)


def test_a_room_without_metres_has_its_floor_at_a_persons_height(
    tmp_path: Path,
    open_page: Opener,
) -> None:
    path = write_rooms([box("relative")], tmp_path / "rel.html")[0]
    page = wear(open_page, path)
    below = -page.evaluate("panodepth.extent.floor")
    assert below == pytest.approx(HIGH[1], rel=0.05)
    assert eyes_apart(page) == pytest.approx(page.evaluate("device.ipd") * below / 1.6, rel=1e-4)


def test_the_left_stick_walks_where_the_head_looks(
    room: Path,
    open_page: Opener,
) -> None:
    page = wear(open_page, room)
    s = math.sqrt(0.5)
    for turn, wanted in (((0, 0, 0, 1), [0, 0, -1]), ((0, -s, 0, s), [1, 0, 0])):
        page.evaluate("q => device.quaternion.set(...q)", turn)
        frames(page)
        before, ahead = head(page)
        np.testing.assert_allclose(ahead, wanted, atol=1e-4)
        page.evaluate("device.controllers.left.updateAxes('thumbstick', 0, -1)")
        frames(page, 4)
        page.evaluate("device.controllers.left.updateAxes('thumbstick', 0, 0)")
        frames(page)
        moved = head(page)[0] - before
        assert np.linalg.norm(moved) > 0.01
        np.testing.assert_allclose(moved / np.linalg.norm(moved), wanted, atol=1e-3)
        still = head(page)[0]
        frames(page)
        np.testing.assert_allclose(head(page)[0], still, atol=1e-9)


def test_a_flick_of_the_right_stick_turns_about_the_head(
    room: Path,
    open_page: Opener,
) -> None:
    page = wear(open_page, room)
    page.evaluate("device.position.set(0.4, 1.5, -0.6)")
    frames(page)
    before, _ = head(page)
    np.testing.assert_allclose(before, [0.2, 0.4, -0.3], atol=1e-5)
    for number in (1, 2):
        page.evaluate("device.controllers.right.updateAxes('thumbstick', 1, 0)")
        frames(page, 5)  # held: one turn
        at, ahead = head(page)
        turned = math.radians(30 * number)
        np.testing.assert_allclose(at, before, atol=1e-5)
        np.testing.assert_allclose(ahead, [math.sin(turned), 0, -math.cos(turned)], atol=1e-5)
        page.evaluate("device.controllers.right.updateAxes('thumbstick', 0, 0)")
        frames(page)


def press(page: Any, button: str) -> None:
    for value in (1, 0):
        page.evaluate(f"device.controllers.right.updateButtonValue('{button}', {value})")
        frames(page)


def test_the_trigger_goes_back_and_the_grip_to_the_next_room(
    tmp_path: Path,
    open_page: Opener,
) -> None:
    places = [Place(0.0, (0.0, 0.0, 0.0), 1.0), Place(90.0, (3.0, 0.0, -1.0), 1.0)]
    path = write_rooms([box(), box(name="second")], tmp_path / "two.html", places)[0]
    page = wear(open_page, path)
    page.evaluate("device.position.set(0.7, 1.4, -0.1)")
    frames(page)
    np.testing.assert_allclose(head(page)[0], [0.5, 0.3, 0.2], atol=1e-5)
    press(page, "trigger")
    np.testing.assert_allclose(head(page)[0], 0, atol=1e-5)
    press(page, "squeeze")
    np.testing.assert_allclose(head(page)[0], [3, 0, 1], atol=1e-5)
    seen = page.evaluate("panodepth.surfaces.map(s => s.group.visible)")
    assert seen == [False, True]


def test_its_end_gives_the_page_back(room: Path, open_page: Opener) -> None:
    page = wear(open_page, room)
    page.set_viewport_size({"width": 800, "height": 500})
    page.evaluate("panodepth.renderer.xr.getSession().end()")
    page.wait_for_function("!panodepth.headset.on && !panodepth.renderer.xr.enabled")
    page.wait_for_function("document.querySelector('#canvas').width === 800")
    press_button = "document.querySelector('{}').click()"  # the player leaves a sheet before it
    page.evaluate(press_button.format("#views [data-view=dollhouse]"))
    page.wait_for_function("panodepth.views.view === 'dollhouse'")
    assert len(np.unique(pixels(page).reshape(-1, 3), axis=0)) > 50
    page.evaluate(press_button.format("#headset"))
    page.wait_for_function("panodepth.headset.on && panodepth.views.view === 'inside'")


def test_a_refusal_is_told(room: Path, open_page: Opener) -> None:
    refuse = ";navigator.xr.requestSession = () => Promise.reject(new Error('no'));"
    page = open_page(room, script=PLAYER.read_text("utf-8") + WORN + refuse)
    page.wait_for_selector("#headset:not([hidden])")
    page.click("#headset")
    page.wait_for_function("document.querySelector('#hint').textContent.includes('headset')")
    assert not page.evaluate("panodepth.headset.on")


def test_the_head_is_at_the_camera_also_where_tracking_of_a_second_session_begins_late(
    room: Path, open_page: Opener
) -> None:
    page = wear(open_page, room)
    page.evaluate("panodepth.renderer.xr.getSession().end()")
    page.wait_for_function("!panodepth.headset.on && !panodepth.renderer.xr.enabled")
    page.evaluate("""() => {
        const { prototype } = XRFrame, found = prototype.getViewerPose;
        window.track = () => { prototype.getViewerPose = found; };
        prototype.getViewerPose = () => null;
        device.position.set(0.9, 1.6, 0.5);
        document.querySelector("#headset").click();
    }""")
    page.wait_for_function("panodepth.headset.on")
    frames(page)
    page.evaluate("track()")
    frames(page)
    np.testing.assert_allclose(head(page)[0], 0, atol=1e-5)


def test_frames_behind_a_menu_of_the_system_do_not_make_the_grid_coarse(
    room: Path, open_page: Opener
) -> None:
    page = wear(open_page, room)
    steps = page.evaluate("""() => {
        const { headset, renderer, surfaces } = panodepth, frame = headset.frame.bind(headset);
        const session = renderer.xr.getSession();
        renderer.setAnimationLoop(null);
        const step = surfaces[0].mesh.material.uniforms.uStep, found = [];
        for (const state of ["visible-blurred", "visible"]) {
            Object.defineProperty(session, "visibilityState", { value: state, configurable: true });
            [headset.slow, step.value] = [0, 1];
            for (let i = 1; i <= 40; i++) frame(1e7 + 50 * i);
            found.push(step.value);
        }
        return found;
    }""")
    assert steps == [1, 2]
