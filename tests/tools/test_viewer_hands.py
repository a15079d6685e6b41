"""The viewer by keys alone, by ear, on a phone, and for who wants no movement."""

# ruff: noqa: F811, fixtures are parameters

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="needs the package playwright")

from tests.tools.test_viewer import (  # noqa: F401, some are fixtures
    CHROMIUM,
    HEIGHT,
    WIDTH,
    Opener,
    box,
    browser,
    drawn,
    open_page,
    read,
    room,
    window,
)

from panodepth.export.html.page import write_rooms
from panodepth.types import Prediction

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium")
NAMELESS = """[...document.querySelectorAll("button, input, dialog, [role]")].filter((e) => {
    const by = e.getAttribute("aria-labelledby");
    const label = by ? document.getElementById(by) : e.closest("label");
    return !e.getAttribute("aria-label") && !(label?.textContent ?? e.textContent).trim()
        && !["status", "alert"].includes(e.getAttribute("role"));
}).map((e) => e.outerHTML)"""
FOCUSED = """(() => {
    const e = document.activeElement, style = getComputedStyle(e);
    const said = style.outlineStyle != "none";
    return [e.closest("button, input, canvas, [role]")?.outerHTML ?? "", said];
})()"""
SEEN = """(inset) => {
    const all = [...document.querySelectorAll(".panel")]
        .filter((e) => e.checkVisibility({ opacityProperty: true }));
    const boxes = all.map((e) => [e.id, e.getBoundingClientRect()]);
    const wrong = boxes.filter(([, b]) => b.left < inset.left || b.top < inset.top
        || b.right > innerWidth - inset.right || b.bottom > innerHeight - inset.bottom);
    for (const [one, a] of boxes) for (const [two, b] of boxes) {
        const beside = a.right <= b.left || b.right <= a.left;
        const apart = beside || a.bottom <= b.top || b.bottom <= a.top;
        if (one < two && !apart) wrong.push([one, two]);
    }
    return wrong.map(([what, more]) => `${what} ${JSON.stringify(more)}`);
}"""
PHONES = [(360, 640), (320, 568), (640, 360), (568, 320), (844, 390), (1000, 700)]


def camera(page: Any) -> np.ndarray:
    """Where the camera is, and how large the plan."""
    found = page.evaluate("(({ camera: c }) => [...c.position.toArray(), c.zoom])(panodepth.views)")
    return np.array(found)


def hold(page: Any, key: str) -> tuple[np.ndarray, np.ndarray]:
    """The camera before and after a key is held for a while."""
    before = camera(page)
    page.keyboard.down(key)
    drawn(page)
    page.wait_for_timeout(200)
    page.keyboard.up(key)
    drawn(page)
    return before, camera(page)


def test_every_control_has_a_name_and_shows_that_it_has_the_focus(
    room: Path, open_page: Opener
) -> None:
    page = open_page(room, "#view=dollhouse&compare")
    page.evaluate("panodepth.setMeasuring(true)")
    assert page.evaluate(NAMELESS) == []
    wanted = page.locator("button:visible, input:visible, #canvas, #divider:visible").count()
    found = {}
    for _ in range(wanted + 2):  # the window itself is one, too
        page.keyboard.press("Tab")
        what, shown = page.evaluate(FOCUSED)
        found[what] = shown
    found.pop("", None)
    assert len(found) == wanted
    assert [what for what, shown in found.items() if not shown] == []


def test_arrows_turn_the_dollhouse_and_shift_the_plan(room: Path, open_page: Opener) -> None:
    page = open_page(room, "#view=dollhouse")
    page.focus("#canvas")
    before, after = hold(page, "ArrowRight")
    middle = page.evaluate("panodepth.extent.centre.toArray()")
    away = [np.linalg.norm(at[:3] - middle) for at in (before, after)]
    assert away[1] == pytest.approx(away[0], rel=1e-3)
    assert np.abs(after - before).max() > 0.05
    before, after = hold(page, "w")
    away = [np.linalg.norm(at[:3] - middle) for at in (before, after)]
    assert away[1] < 0.99 * away[0]
    page.keyboard.press("3")
    before, after = hold(page, "ArrowDown")
    assert after[2] > before[2] + 0.05
    assert after[[0, 1, 3]] == pytest.approx(before[[0, 1, 3]])
    before, after = hold(page, "w")
    assert after[3] > 1.01 * before[3]
    page.keyboard.press("?")  # what is behind a dialog stays as it is
    before, after = hold(page, "ArrowDown")
    assert after == pytest.approx(before)
    page.keyboard.press("Escape")
    assert not page.evaluate("document.querySelector('#keys').open")


def test_a_slider_keeps_its_own_keys_alone(room: Path, open_page: Opener) -> None:
    page = open_page(room)
    page.focus("#edges input")
    before, after = hold(page, "ArrowRight")
    assert after == pytest.approx(before)
    assert page.input_value("#edges input") != "40"
    page.keyboard.press("2")
    assert page.evaluate("panodepth.views.view") == "dollhouse"


def test_a_length_is_measured_named_and_copied_by_keys(open_page: Opener, tmp_path: Path) -> None:
    page = open_page(write_rooms([box("relative")], tmp_path / "box.html")[0])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.press("m")
    assert page.locator("#aim").is_visible()
    page.keyboard.press("Enter")
    drawn(page)
    assert page.inner_text("#tapebar span") == "Now the other end"
    assert page.locator("#tapes text").count() == 0  # nothing has a length yet
    page.keyboard.press("Enter")  # the same point again
    assert page.evaluate("panodepth.tapes.list.length") == 0
    page.evaluate("panodepth.views.look(45 / Math.PI, 0)")
    page.keyboard.press("Enter")
    far = 4 * np.tan(0.25)
    assert float(page.inner_text("#tapebar span").split()[0]) == pytest.approx(far, abs=0.02)
    page.press("#copy", "Enter")
    page.wait_for_function("document.querySelector('#tapebar span').textContent == 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()").endswith(" rel.")
    page.press("#give", "Enter")
    page.keyboard.type("10")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tapes .done text:text-is('10.0 m')")
    page.mouse.click(WIDTH / 2, HEIGHT / 2)  # who has a mouse needs neither
    assert page.evaluate(FOCUSED)[1] is False
    assert not page.locator("#aim").is_visible()


def test_short_relative_lengths_have_three_digits_and_the_sky_has_none(
    open_page: Opener, tmp_path: Path
) -> None:
    whole = box("relative")
    mask = whole.mask.copy()
    mask[:50] = False
    street = Prediction(whole.distance / 10, mask, whole.image, whole.meta, sky_mask=~mask)
    page = open_page(write_rooms([street], tmp_path / "street.html")[0])
    assert read(page, window(0.0, 0.4, 4.0))[1].startswith("0.40")
    assert len(read(page, window(0.0, 0.4, 4.0))[1].split()[0]) == len("0.402")
    page.click("#measure")
    page.mouse.click(*window(0.0, -3.0, 4.0))
    assert page.inner_text("#tapebar span") == "There is no surface"
    page.mouse.click(*window(0.0, 0.4, 4.0))
    assert page.inner_text("#tapebar span") == "Now the other end"


def test_who_wants_no_movement_gets_none_that_goes_on(room: Path, open_page: Opener) -> None:
    page = open_page(room, reduced_motion="reduce")
    assert not page.evaluate("panodepth.views.orbit.enableDamping")
    code = "getComputedStyle(document.querySelector('#hint')).transitionDuration"
    assert page.evaluate(code) == "0s"


def test_a_saved_file_keeps_its_address_while_a_browser_asks(
    room: Path, open_page: Opener, tmp_path: Path
) -> None:
    """Safari reads it only after a question; Chromium reads it at once."""
    script = "window.gone = []; URL.revokeObjectURL = (url) => gone.push(url);"
    page = open_page(room, script=script)
    with page.expect_download() as waiting:
        page.click("#shot")
    waiting.value.save_as(tmp_path / "shot.png")
    page.wait_for_timeout(2000)
    assert page.evaluate("gone") == []


def test_nothing_overlaps_on_phones_however_they_are_held(
    open_page: Opener, tmp_path: Path
) -> None:
    rooms = [box("relative", f"living room number {i} of the house") for i in range(8)]
    path = write_rooms(rooms, tmp_path / "rooms.html")[0]
    page = open_page(path, has_touch=True, is_mobile=True, viewport={"width": 360, "height": 640})
    session = page.context.new_cdp_session(page)
    wrong = []
    for width, height in PHONES:
        page.set_viewport_size({"width": width, "height": height})
        lying = width > height
        inset = {"left": 47 * lying, "right": 47 * lying, "top": 47 * (not lying), "bottom": 21}
        session.send("Emulation.setSafeAreaInsetsOverride", {"insets": inset})
        for view in ("inside", "dollhouse"):
            page.evaluate(f"panodepth.chooseView('{view}')")
            for more in (False, True):
                for measuring in (False, True):
                    page.evaluate(
                        """([more, measuring]) => {
                            document.body.classList.toggle("more", more);
                            panodepth.setCompare(more ? 0.5 : -1);
                            panodepth.setMeasuring(measuring);
                            const { position } = panodepth.views.walker;
                            panodepth.tapes.clear();
                            if (measuring) for (const x of [0, 1]) {
                                panodepth.tapes.add(position.clone().set(x, -1, -3));
                            }
                            panodepth.showTapeBar();
                        }""",
                        [more, measuring],
                    )
                    page.wait_for_timeout(20)
                    state = f"{width}x{height} {view} {more=} {measuring=}: "
                    wrong += [state + one for one in page.evaluate(SEEN, inset)]
        hidden = page.locator("#tools button:not([hidden]):not(#more)").all()
        wrong += [f"{width}x{height}: {b.get_attribute('id')}" for b in hidden if b.is_hidden()]
    assert wrong == []
