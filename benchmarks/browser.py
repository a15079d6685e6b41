"""Print seconds for each picture on the page without a server, in Chromium: `python
benchmarks/browser.py [PICTURE...] [--runs 5] [--int8] [--isolated]`.

From the file that is chosen to the viewer's page that is made, the model loaded before.
--isolated: with the headers that allow threads. Needs the extras browser and onnx, and the program
chromium.
"""

from __future__ import annotations

import argparse
import http.server
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SOFTWARE = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
EXAMPLE = Path(__file__).parents[1] / "examples" / "interior.jpg"
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *given: Any, headers: Mapping[str, str], **more: Any) -> None:
        self._more = headers
        super().__init__(*given, **more)

    def end_headers(self) -> None:
        for name, value in self._more.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def opened(
    site: Path, *, headers: Mapping[str, str] | None = None, setting: str = "", **context: Any
) -> Iterator[tuple[Any, list[str], str]]:
    """The page of a site in Chromium, what it asked for so far, and its address.

    headers: that the host sends. setting: JavaScript that runs before the page's own. context: of
    the browser, as Playwright takes it.
    """
    from playwright.sync_api import sync_playwright

    handler = partial(Quiet, directory=str(site), headers=headers or {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    asked: list[str] = []
    try:
        with sync_playwright() as started:
            arguments = [*SOFTWARE, "--no-sandbox"]
            browser = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
            tab = browser.new_context(viewport={"width": 900, "height": 640}, **context)
            tab.on("request", lambda request: asked.append(request.url))
            page = tab.new_page()
            page.add_init_script(setting)
            page.goto(address)
            yield page, asked, address
            browser.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def give(page: Any, file: Path) -> str:
    """Choose a file; returns what the page says when it is done."""
    page.evaluate("delete document.body.dataset.done")
    page.set_input_files("input", str(file))
    page.wait_for_selector("body[data-done]", state="attached", timeout=120_000)
    return str(page.inner_text("#status"))


def main() -> None:
    from panodepth.app.static import write_site

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", type=Path, default=[EXAMPLE])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--isolated", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_site(Path(folder), int8=arguments.int8)
        headers = ISOLATED if arguments.isolated else {}
        with opened(Path(folder), headers=headers) as (page, _, _):
            started = time.perf_counter()
            said = give(page, arguments.pictures[0])
            print(f"first picture, with the model: {time.perf_counter() - started:.2f} s {said}")
            for picture in arguments.pictures:
                seconds = []
                for _ in range(arguments.runs):
                    started = time.perf_counter()
                    said = give(page, picture)
                    seconds.append(time.perf_counter() - started)
                middle = statistics.median(seconds)
                print(f"{picture.name}: median {middle:.2f} s, worst {max(seconds):.2f} s {said}")


if __name__ == "__main__":
    main()
