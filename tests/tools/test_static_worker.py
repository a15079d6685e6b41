"""The site's worker: what the page shows meanwhile, what ends it, and the page without one.

With a network that says nothing of rooms; what the real one says stands in test_static_app.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from panodepth.app.static import write_site

pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
from tests.tools.test_static_app import EXAMPLES, POLICY, browser, pytestmark  # noqa: F401

give, opened = browser.give, browser.opened
NO_WORKER = "window.Worker = class { constructor() { throw new DOMException('no') } }"
WATCH = """
if (window === top) addEventListener("DOMContentLoaded", () => {
    const look = () => (window.seen ??= []).push([
        document.querySelector("#status").textContent,
        document.querySelector("#amount").textContent,
        document.querySelector("progress").value,
    ]);
    new MutationObserver(look).observe(document.querySelector("progress"), { attributes: true });
});
"""

GONE = """async (cache) => {
    while (await caches.has(cache)) await new Promise((resolve) => setTimeout(resolve, 100));
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> Path:
    """With a small network, and a viewer that draws nothing."""
    folder = tmp_path_factory.mktemp("site")
    write_site(folder, str(model_file))
    (folder / "viewer.html").write_text("<!doctype html><title>viewer</title><!--rooms-->")
    return folder


@pytest.fixture
def page(site: Path) -> Iterator[Any]:
    with opened(site, setting=WATCH, service_workers="block") as (page, _, _):
        yield page


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictured(tmp_path_factory.mktemp("small") / "small.png", 256)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Takes long enough to be cancelled."""
    return pictured(tmp_path_factory.mktemp("large") / "large.png", 1024)


def pictured(path: Path, width: int) -> Path:
    Image.open(EXAMPLES / "courtyard.jpg").resize((width, width // 2)).save(path)
    return path


def begin(page: Any, picture: Path, doing: str) -> None:
    """Choose a picture and wait until the page says that it is doing so."""
    page.set_input_files("input", str(picture))
    page.wait_for_function(
        "what => document.querySelector('#status').textContent == what", arg=doing, polling=10
    )


def workers(page: Any, count: int) -> int:
    """How many there are, as soon as the browser has told that it is so many."""
    for _ in range(100):
        if len(page.workers) == count:
            break
        page.wait_for_timeout(100)
    return len(page.workers)


def arrays(page: Any) -> bytes:
    with page.expect_download() as waiting:
        page.click("#npz")
    return Path(waiting.value.path()).read_bytes()


def test_without_a_worker_the_page_says_the_same(site: Path, small: Path) -> None:
    found = []
    policies = {"": 0, "; worker-src 'none'": 1}
    cases = [("", POLICY + more, warnings) for more, warnings in policies.items()]
    for setting, policy, warnings in [*cases, (NO_WORKER, "", 1)]:
        headers = {"Content-Security-Policy": policy} if policy else {}
        with opened(site, headers=headers, setting=setting) as (page, asked, address):
            told: list[str] = []
            page.on("console", lambda message, told=told: told.append(message.text))
            assert give(page, small) == ""
            page.wait_for_function(
                "document.querySelector('iframe').contentDocument.title == 'viewer'"
            )
            assert workers(page, 1 - warnings) == 1 - warnings
            assert sum("on the page's thread" in text for text in told) == warnings, told
            assert all(url.startswith((address, "blob:")) for url in asked)
            found.append(arrays(page))
    assert found[1] == found[0]
    assert found[2] == found[0]


def test_the_page_shows_how_far_it_is(page: Any, site: Path, tmp_path: Path) -> None:
    assert give(page, pictured(tmp_path / "wide.png", 2048)) == ""  # takes the bar several ticks
    seen = page.evaluate("seen")
    shares = [share for _, _, share in seen]
    assert shares == sorted(shares)
    assert shares[-1] <= 1
    steps = dict.fromkeys(text for text, _, _ in seen)
    assert list(steps) == [
        "Reading the picture …",
        "Loading the model …",
        "Starting the model …",
        "Finding distances …",
        "Building the view …",
    ]
    size = sum((site / name).stat().st_size for name in ("model.bin", "ort.wasm.bin")) / 1e6
    assert [amount for _, amount, _ in seen if amount][-1] == f"{size:.1f} of {size:.1f} MB"
    # The page goes on while the network runs: between what the worker says the bar moves, too.
    assert len({share for text, _, share in seen if text == "Finding distances …"}) > 4


@pytest.mark.parametrize("how", ["button", "key"])
def test_cancelling_ends_the_worker_and_the_next_picture_has_a_new_one(
    page: Any, small: Path, large: Path, how: str
) -> None:
    assert give(page, small) == ""
    before = arrays(page)
    begin(page, large, "Finding distances …")
    if how == "button":
        page.click("#cancel")
    else:
        page.keyboard.press("Escape")
    page.wait_for_selector("body:not(.busy)", state="attached")
    assert page.inner_text("#status") == "large.png: cancelled."
    assert not page.is_visible("#cancel")
    assert workers(page, 0) == 0
    assert arrays(page) == before  # what was made before is still offered
    page.keyboard.press("Escape")  # with nothing to cancel
    assert give(page, small) == ""
    assert arrays(page) == before
    assert workers(page, 1) == 1


def test_a_worker_without_work_is_freed_after_a_while(page: Any, small: Path) -> None:
    page.clock.install()
    assert give(page, small) == ""
    page.clock.fast_forward(60_000)
    assert give(page, small) == ""  # which begins the wait anew
    page.clock.fast_forward(110_000)
    assert len(page.workers) == 1
    page.clock.fast_forward(20_000)
    assert workers(page, 0) == 0
    assert give(page, small) == ""


def test_a_slow_model_can_be_cancelled_and_what_waits_is_next(
    page: Any, small: Path, large: Path
) -> None:
    held: list[Any] = []
    page.context.route("**/model.bin", lambda route: held.append(route))  # and never answers
    begin(page, large, "Loading the model …")
    page.set_input_files("input", str(small))
    assert page.inner_text("#next") == "Next: small.png"
    page.context.unroute("**/model.bin")
    page.evaluate("delete document.body.dataset.done")
    page.click("#cancel")
    page.wait_for_selector("body[data-done='small.png']", state="attached", timeout=120_000)
    assert page.inner_text("#status") == ""
    assert page.evaluate("document.activeElement.type") == "file"  # the button is gone
    assert workers(page, 1) == 1


def test_a_worker_that_fails_is_replaced(page: Any, small: Path) -> None:
    unknown = "The model could not be loaded or run; reload the page while you are on line."
    huge = '{"height": 60000, "width": 120000, "edges": "sphere", "quantile": 0.9, "bytes": 1}'
    page.context.route("**/config.json", lambda route: route.fulfill(body=huge))
    assert give(page, small) == "small.png: there is not enough memory for it."
    page.context.unroute("**/config.json")
    assert workers(page, 0) == 0
    page.context.route("**/model.bin", lambda route: route.fulfill(status=404))
    assert give(page, small) == unknown
    page.context.unroute("**/model.bin")
    broken = """
        postMessage({ progress: { text: "it begins", from: 0, to: 1 } });
        onmessage = () => { throw new Error("it broke"); };
    """
    script = {"body": broken, "content_type": "text/javascript"}
    page.context.route("**/worker.js", lambda route: route.fulfill(**script))
    assert give(page, small) == unknown
    page.context.unroute("**/worker.js")
    assert workers(page, 0) == 0
    assert give(page, small) == ""


def test_ten_pictures_take_the_memory_of_three(page: Any, large: Path) -> None:
    """And leave no step in the browser's history."""
    session = page.context.browser.new_browser_cdp_session()
    steps = page.evaluate("history.length")
    used = []
    for _ in range(10):
        assert give(page, large) == ""
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
        pids = [process["id"] for process in processes if process["type"] == "renderer"]
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
        used.append(max(pages) * 4096 / 1e6)
    print("MB of the page's process:", [round(size) for size in used])
    assert used[-1] < used[2] + 100
    assert workers(page, 1) == 1
    assert page.evaluate("history.length") == steps


def test_a_new_version_replaces_its_own_cache_alone(site: Path) -> None:
    with opened(site) as (page, _, _):
        page.evaluate("navigator.serviceWorker.ready")
        page.evaluate("caches.open('of another page')")
        [old] = [name for name in page.evaluate("caches.keys()") if name.startswith("panodepth")]
        script = site / "sw.js"
        script.write_text(script.read_text().replace(old.split()[-1], "next"))
        page.evaluate("navigator.serviceWorker.ready.then((found) => found.update())")
        page.evaluate(GONE, old)
        names = sorted(page.evaluate("caches.keys()"))
        assert names == ["of another page", old.replace(old.split()[-1], "next")]


def test_a_page_from_the_disk_says_what_to_do(site: Path, page: Any) -> None:
    page.goto((site / "index.html").as_uri())
    assert "python -m http.server" in page.inner_text("#status")
