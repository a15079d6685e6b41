"""The pictures and the clip of docs/viewer.md, taken of a page by a real browser.

    panodepth view examples/interior.jpg --quality best --camera-height 1.5 --html interior.html
    python web/pictures.py interior.html docs/images

Of a page made with --behind 12, viewer-guess.jpg alone is taken: without the guess, and with it.

Needs the package playwright and the program chromium.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

SOFTWARE = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SIZE, PHONE, HALF = (1200, 720), (390, 780), (780, 520)
CLIP, FRAMES, FRAME_MS = (720, 432), 24, 110
TURN_DEG = 50.0  # of the dollhouse, to the left and back


def measured(page: Any) -> None:
    """The tape between two ends of the room."""
    page.keyboard.press("m")
    for x, y in ((500, 395), (690, 250)):
        page.mouse.click(x, y)
    page.mouse.move(5, 300)


def split(page: Any) -> None:
    page.click("#compare")


PICTURES = {
    "viewer-dollhouse": (SIZE, "#view=dollhouse", measured),
    "viewer-inside": (SIZE, "#yaw=20&pitch=-8", split),
    "viewer-top": (SIZE, "#view=top&colour=distance", None),
    "viewer-phone": (PHONE, "#view=dollhouse", None),
}


def shot(page: Any) -> Image.Image:
    page.wait_for_timeout(700)  # past the coarse frames of a movement
    return Image.open(io.BytesIO(page.screenshot(timeout=120_000))).convert("RGB")


def main(html: Path, folder: Path) -> None:
    with sync_playwright() as started:
        program = shutil.which("chromium")
        browser = started.chromium.launch(executable_path=program, args=[*SOFTWARE, "--no-sandbox"])

        def opened(size: tuple[int, int], anchor: str) -> Any:
            view = {"width": size[0], "height": size[1]}
            mobile = size == PHONE
            page = browser.new_page(
                viewport=view, color_scheme="dark", is_mobile=mobile, has_touch=mobile
            )
            page.goto(html.resolve().as_uri() + anchor)
            page.wait_for_selector("body[data-ready]", timeout=120_000)
            return page

        page = opened(HALF, "#view=dollhouse")
        if page.locator("#guess").is_visible():
            both = [shot(page)]
            page.keyboard.press("b")
            both.insert(0, shot(page))
            sheet = Image.new("RGB", (2 * HALF[0], HALF[1]))
            for column, picture in enumerate(both):
                sheet.paste(picture, (column * HALF[0], 0))
            sheet.save(folder / "viewer-guess.jpg", quality=82)
            return
        page.close()
        for name, (size, anchor, act) in PICTURES.items():
            page = opened(size, anchor)
            if act:
                act(page)
            shot(page).save(folder / f"{name}.jpg", quality=82)
            page.close()
        clip(opened(CLIP, ""), folder / "viewer.webp")
        browser.close()


def clip(page: Any, out: Path) -> None:
    """Looking round inside, then the dollhouse from side to side."""
    frames = []
    for i in range(FRAMES // 2):
        page.evaluate(f"panodepth.views.look({-40 + 7 * i}, -6)")
        frames.append(shot(page))
    page.click("#views [data-view=dollhouse]")
    page.evaluate("window.start = panodepth.views.camera.position.clone()")
    for i in range(FRAMES // 2):
        turn = TURN_DEG * (1 - abs(2 * i / (FRAMES // 2 - 1) - 1))
        code = f"""() => {{
            const {{ camera, extent }} = panodepth.views, a = {turn} * Math.PI / 180;
            const {{ x, y, z }} = window.start.clone().sub(extent.centre);
            const [sin, cos] = [Math.sin(a), Math.cos(a)];
            camera.position.set(x * cos + z * sin, y, z * cos - x * sin).add(extent.centre);
            panodepth.views.orbit.update();
        }}"""
        page.evaluate(code)
        frames.append(shot(page))
    page.close()
    first, *rest = frames
    first.save(out, save_all=True, append_images=rest, duration=FRAME_MS, loop=0, quality=38)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
