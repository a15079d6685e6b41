"""The pictures of docs/app.md, taken of the demo's page by a real browser.

    panodepth app --port 7860
    python web/app_pictures.py http://127.0.0.1:7860 docs/images

Needs the package playwright and the program chromium.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

SOFTWARE = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
EXAMPLES = Path(__file__).parents[1] / "examples"
SIZE = {"width": 1200, "height": 760}
SETTLED_MS = 3000  # past the fading in of pictures, and the viewer's coarse frames
PATIENCE_MS = 300_000  # that pictures and the viewer may take


def predict(page: Any, files: list[Path]) -> None:
    """Choose files, click, and wait until each has its end."""
    page.set_input_files("input[type=file]", [str(file) for file in files])
    page.wait_for_selector(".file-preview")
    page.fill("input[type=number]", "1.6")
    page.click("#predict")
    page.wait_for_function(
        "count => document.querySelectorAll('.rows .done, .rows .failed').length == count",
        arg=len(files),
    )
    page.mouse.move(5, 5)  # off the button


def save(page: Any, path: Path) -> None:
    page.wait_for_timeout(SETTLED_MS)
    picture = Image.open(io.BytesIO(page.screenshot(timeout=PATIENCE_MS)))
    picture.convert("RGB").save(path, quality=82)


def main(url: str, folder: Path) -> None:
    with sync_playwright() as started, tempfile.TemporaryDirectory() as place:
        yard, notes, bedroom = (Path(place) / f"{n}.jpg" for n in ("yard", "notes", "bedroom"))
        shutil.copy(EXAMPLES / "courtyard.jpg", yard)
        notes.write_text("none")
        shutil.copy(EXAMPLES / "interior.jpg", bedroom)
        program = shutil.which("chromium")
        browser = started.chromium.launch(executable_path=program, args=[*SOFTWARE, "--no-sandbox"])

        def opened() -> Any:
            page = browser.new_page(viewport=SIZE)
            page.set_default_timeout(PATIENCE_MS)
            page.goto(url)
            page.wait_for_selector("#predict")
            return page

        page = opened()
        predict(page, [yard])
        save(page, folder / "app-slider.jpg")
        page.close()
        page = opened()
        predict(page, [yard, notes, bedroom])
        page.click("button[role=tab]:has-text('In 3D')")
        frame = page.frame_locator("iframe.viewer")
        frame.locator("body[data-ready]").wait_for(state="attached")
        save(page, folder / "app-viewer.jpg")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
