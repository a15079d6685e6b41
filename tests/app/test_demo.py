"""The demo without its page: limits, queue, sessions, sentences."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import panodepth
from panodepth.app.demo import FAILED, Demo, plain_name, sentence
from panodepth.app.options import AppOptions
from panodepth.app.results import Results, held_bytes
from panodepth.errors import ConfigError, InputError
from panodepth.predict.options import PredictOptions
from panodepth.predict.predictor import Predictor
from panodepth.types import Prediction

PICTURE = Path(__file__).parents[2] / "examples" / "interior.jpg"
PLAIN = PredictOptions(level="none")


class Stub:
    """What stands for a loaded model: a plain box, once it is let go."""

    def __init__(self) -> None:
        self.go, self.seen = threading.Event(), list[str]()
        self.go.set()

    def predict(self, file: Path, options: PredictOptions) -> Prediction:
        assert options.watch is not None
        options.watch(0.25)
        self.go.wait(30)
        options.watch(0.5)
        self.seen.append(Path(file).name)
        if "broken" in str(file):
            raise RuntimeError(f"secret of {file}")
        return box()


def box() -> Prediction:
    distance = np.ones((32, 64), np.float32)
    return Prediction(distance, distance > 0, np.zeros((32, 64, 3), np.uint8))


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def make_demo(stub: Stub) -> Iterator[Callable[..., Demo]]:
    made: list[Demo] = []

    def make(**options: Any) -> Demo:
        made.append(Demo(AppOptions(**options), {"stub": lambda: stub}))  # type: ignore[dict-item]
        return made[-1]

    yield make
    stub.go.set()
    for demo in made:
        demo.close()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "Küche 1.png"
    Image.new("RGB", (64, 32)).save(path)
    return path


def test_a_picture_is_predicted_as_predict_does() -> None:
    predictor: Predictor = panodepth.load(dtype="float32", device="cpu")
    demo = Demo(AppOptions(), {"default": lambda: predictor})
    [*_, rows] = demo.run("me", [PICTURE], "default", PredictOptions(camera_height=1.6))
    demo.close()
    assert [row.state for row in rows] == ["done"]
    assert rows[0].result is not None
    found, wanted = rows[0].result.prediction, predictor.predict(PICTURE, camera_height=1.6)
    np.testing.assert_array_equal(found.distance, wanted.distance)
    assert found.unit == "m"


def test_each_picture_has_its_row_and_a_bad_one_stops_nobody(
    make_demo: Callable[..., Demo], stub: Stub, picture: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes())
    demo = make_demo()
    steps = list(demo.run("me", [bad, picture, broken, picture], "stub", PLAIN))
    states = [[row.state for row in rows] for rows in steps]
    assert states[0] == ["working", "waiting", "waiting", "waiting"]
    assert states[-1] == ["failed", "done", "failed", "done"]
    texts = [row.text for row in steps[-1]]
    assert texts[0].startswith("not a jpg")
    assert str(tmp_path) not in "".join(texts)
    assert texts[2] == FAILED
    tokens = {row.result.token for row in steps[-1] if row.result}
    assert len(tokens) == 2
    assert stub.seen == [picture.name, "broken.png", picture.name]


def test_what_is_too_large_is_told_before_it_is_decoded(
    make_demo: Callable[..., Demo], stub: Stub, picture: Path
) -> None:
    for options, says in (
        ({"max_megabytes": 0.001}, "above 0.001 MB"),
        ({"max_megapixels": 0.002}, "64x32 is above 0.002 megapixels"),
    ):
        picture.write_bytes(picture.read_bytes() + bytes(1000))
        [*_, rows] = make_demo(**options).run("me", [picture], "stub", PLAIN)
        assert says in rows[0].text
    assert stub.seen == []
    demo = make_demo(pictures=1)
    for files, says in (([], "no picture"), ([picture] * 2, "2 pictures: at most 1")):
        with pytest.raises(InputError, match=says):
            next(demo.run("me", files, "stub", PLAIN))


def test_too_many_wait_and_one_takes_too_long(
    make_demo: Callable[..., Demo], stub: Stub, picture: Path
) -> None:
    demo = make_demo(queue=1, seconds=0.2)
    stub.go.clear()
    [*_, rows] = demo.run("me", [picture], "stub", PLAIN)
    assert rows[0].text == "it takes more than 0.2 s"
    [*_, rows] = demo.run("me", [picture], "stub", PLAIN)  # the first one still holds the place
    assert rows[0].text.startswith("1 pictures wait already")
    stub.go.set()
    demo.close()
    assert stub.seen == []  # it ended as soon as it could
    assert len(demo.results) == 0
    assert demo._places._value == 1


def test_a_long_prediction_tells_how_far_it_is(
    make_demo: Callable[..., Demo], stub: Stub, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panodepth.app.demo.TICK_SECONDS", 0.01)
    stub.go.clear()
    texts = []
    for rows in make_demo().run("me", [picture], "stub", PLAIN):
        texts.append(rows[0].text)
        if texts[-1] == "25%":
            stub.go.set()
    assert "25%" in texts
    assert len(stub.seen) == 1
    assert (rows[0].state, rows[0].text) == ("done", "")


def test_who_leaves_is_not_worked_for(
    make_demo: Callable[..., Demo], stub: Stub, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panodepth.app.demo.TICK_SECONDS", 0.01)
    stub.go.clear()
    demo = make_demo()
    one, two = (demo.run("me", [picture], "stub", PLAIN) for _ in range(2))
    for _ in range(2):
        next(one), next(two)
    two.close()  # it had not begun
    assert demo._places._value == demo.options.queue - 1
    one.close()
    stub.go.set()
    demo.close()
    assert stub.seen == []
    assert demo._places._value == demo.options.queue


def test_models_are_loaded_once_and_only_those_that_are_named(picture: Path, stub: Stub) -> None:
    loads: list[str] = []

    def loader(name: str) -> Callable[[], Any]:
        return lambda: loads.append(name) or stub

    demo = Demo(AppOptions(), {name: loader(name) for name in ("one", "two")})
    assert loads == ["one"]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(list, demo.run("me", [picture], "two", PLAIN)) for _ in range(4)]
        assert len({a.result()[-1][0].result.token for a in asked}) == 4
    assert loads == ["one", "two"]
    [*_, rows] = demo.run("me", [picture], "/etc/passwd", PLAIN)
    assert rows[0].text == "no model '/etc/passwd': choose one or two"
    demo.close()


def test_results_go_with_their_session_by_age_and_by_memory() -> None:
    now = [0.0]
    size = held_bytes(box())
    kept = Results(2.5 * size / 1e6, minutes=1, clock=lambda: now[0])
    mine, yours = kept.add("me", "a", box()), kept.add("you", "a", box())
    assert mine.token != yours.token
    kept.get(mine.token)  # asked for last: now yours is the oldest
    other = kept.add("me", "b", box())
    with pytest.raises(InputError, match="no longer kept"):
        kept.get(yours.token)
    now[0] = 59
    assert kept.get(mine.token) is mine
    now[0] = 61
    with pytest.raises(InputError):
        kept.get(other.token)
    kept.forget("you")
    assert kept.get(mine.token) is mine
    kept.forget("me")
    assert len(kept) == 0
    big = Results(1e-6, minutes=1)
    assert big.get(big.add("me", "a", box()).token)  # one stays, whatever its size


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("room.jpg", "room"),
        ("../../etc/passwd", "passwd"),
        ("a b<c>&\"'.png", "a_b_c"),
        ("Küche.png", "Küche"),
        ("....jpg", "panorama"),
        ("x" * 300 + ".jpg", "x" * 60),
    ],
)
def test_names_are_fit_for_files(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    file = Path("/tmp/1/room.png")
    assert sentence(InputError(f"{file}: is\nbad"), file) == "is bad"
    assert sentence(InputError(f"no {file}; give --fov; or not"), file) == "no room.png; or not"
    assert "memory" in sentence(MemoryError("x"), file)
    assert sentence(ValueError("secret"), file) == FAILED
    assert "ValueError: secret" in capsys.readouterr().err


def test_options_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="--host"):
        AppOptions(host="")
