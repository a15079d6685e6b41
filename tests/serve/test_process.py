"""`panodepth serve` as a process, and its parts without HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from panodepth.cli.listening import address, listen
from panodepth.client import Client, ServiceError
from panodepth.errors import ConfigError, OutputError
from panodepth.serve.cache import Answer, AnswerCache
from panodepth.serve.options import ServeOptions

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from panodepth.serve.service import read_wanted

PICTURE = Path(__file__).parents[2] / "examples" / "interior.jpg"


def test_a_stop_loses_nothing_that_was_accepted() -> None:
    environment = {**os.environ, "PANODEPTH_API_KEY": ""}
    with subprocess.Popen(
        [sys.executable, "-m", "panodepth", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[3]
        client = Client(url, tries=1)
        with ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(client.predict, PICTURE, max_distance=n) for n in range(1, 7)]
            while client.health()["waiting"] < 3:
                time.sleep(0.005)
            process.send_signal(signal.SIGTERM)
            kept = [a for a in asked if a.exception() is None]
            lost = [a.exception() for a in asked if a.exception() is not None]
        assert len(kept) >= 3
        for error in lost:  # came too late: never accepted, or told so
            assert isinstance(error, ServiceError)
            assert error.status in (0, 503)
        assert process.wait(30) in (0, -signal.SIGTERM)


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "panodepth", "serve", "--port", port],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: cannot listen at 127.0.0.1:{port}")
    assert done.stderr.count("\n") == 1


def test_the_cache_forgets_what_was_asked_for_the_longest_ago() -> None:
    cache = AnswerCache(10)
    for name in "abc":
        cache.put(name, Answer(name.encode() * 4, "", ""))
        cache.get("a")
    assert [cache.get(name) is not None for name in "abc"] == [True, False, True]
    cache.put("a", Answer(b"1", "", ""))
    assert cache.used == 5
    cache.put("d", Answer(b"1" * 11, "", ""))
    assert cache.get("d") is None


def test_options_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="--host"):
        ServeOptions(host="")
    with pytest.raises(ConfigError, match="nothing is written as"):
        read_wanted({}, "audio/ogg")
    assert read_wanted({"size": "98x196", "known_distance": "1,2=3"}).options.size == (98, 196)


def test_addresses_are_such_as_a_browser_takes() -> None:
    class Listening:
        def __init__(self, *name: Any) -> None:
            self.getsockname = lambda: name

    assert address(Listening("127.0.0.1", 8360)) == "http://127.0.0.1:8360"  # type: ignore[arg-type]
    assert address(Listening("::1", 8360, 0, 0)) == "http://[::1]:8360"  # type: ignore[arg-type]
    with pytest.raises(OutputError, match="cannot listen at "):
        listen(f"{'a' * 70}.example", 8360)
