"""The viewer fills what a panel hides, where the page holds a guess of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="needs the package playwright")

from tests.export.test_hidden import PANEL, PANEL_Z, WALL, room
from tests.tools.test_viewer import (  # noqa: F401, some are fixtures
    Opener,
    browser,
    drawn,
    open_page,
    pixels,
    project,
    pytestmark,
)

STEP = 0.4  # to the right [m]


def beside_the_panel(page: Any) -> np.ndarray:
    """(h, w, 3) of the wall that the panel's right edge hides from the camera, from beside it."""
    page.evaluate(
        f"panodepth.views.walk(panodepth.views.walker.position.clone().set({STEP}, 0, 0))"
    )
    drawn(page)
    # From the new place the panel's right edge is seen before this point of the wall.
    share = 4 / PANEL_Z
    edge = PANEL[1, 0]
    seen = STEP + (edge - STEP) * share  # where the ray along the edge meets the wall now
    from_the_camera = edge * share
    x, y = project(page, (seen + from_the_camera) / 2, 0.05, 4.0)
    column, row = round(x), round(y)
    return pixels(page)[row - 4 : row + 5, column - 4 : column + 5]


@pytest.mark.parametrize("reach", [0, 15])
def test_a_wall_is_seen_where_it_was_hidden(
    reach: float,
    open_page: Opener,  # noqa: F811
    tmp_path: Path,
) -> None:
    file = room(128).save(tmp_path / "room.html", behind=reach)[0]
    page = open_page(file)
    found = beside_the_panel(page)
    off = np.abs(found - WALL).max()
    assert (off < 12) == (reach > 0), found[4, 4]


def test_guessed_surfaces_can_be_hidden(
    open_page: Opener,  # noqa: F811
    tmp_path: Path,
) -> None:
    page = open_page(room(128).save(tmp_path / "room.html", behind=15)[0])
    page.click("#guess")
    assert page.get_attribute("#guess", "aria-pressed") == "false"
    assert np.abs(beside_the_panel(page) - WALL).max() >= 12
    page.keyboard.press("b")
    assert page.get_attribute("#guess", "aria-pressed") == "true"
    assert np.abs(beside_the_panel(page) - WALL).max() < 12


def test_a_page_without_a_guess_has_no_button(
    open_page: Opener,  # noqa: F811
    tmp_path: Path,
) -> None:
    page = open_page(room(32).save(tmp_path / "room.html")[0])
    assert page.locator("#guess").is_hidden()
