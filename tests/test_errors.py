"""Errors are one clear line each."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panodepth.cli import main
from panodepth.cli.shell import _explain
from panodepth.errors import (
    ConfigError,
    device_failed,
    first_line,
    not_installed,
    one_line,
    require,
)
from panodepth.predict.folder.inputs import InputFile
from panodepth.predict.folder.results import failed


@pytest.mark.parametrize(
    ("error", "text"),
    [(ValueError("a\n  b\tc"), "a b c"), (KeyError(), "KeyError"), (OSError("x" * 9), "x" * 9)],
)
def test_an_error_s_text_on_one_line(error: Exception, text: str) -> None:
    assert one_line(error) == text
    assert one_line(error, 30) == text
    assert one_line(f"{error} {'word ' * 20}", 30).endswith("word...")


@given(st.text(), st.integers(4, 40))
def test_long_texts_are_cut_between_words(text: str, limit: int) -> None:
    whole, cut = one_line(text), one_line(text, limit)
    assert len(cut) <= limit
    if len(whole) <= limit:
        assert cut == whole
    else:
        kept = cut.removesuffix("...")
        assert whole.startswith(kept)
        longest = max(map(len, whole.split()))
        assert longest > limit / 2 - 4 or whole[len(kept)] == " "


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError("gone\nTraceback: x"), "gone"),
        (OSError(" \n"), "OSError"),
        (KeyError(), "KeyError"),
    ],
)
def test_the_first_line_of_a_long_error(error: Exception, text: str) -> None:
    assert first_line(error) == text


def test_a_gpu_that_torch_has_no_kernels_for_is_one_line() -> None:
    error = RuntimeError(
        "CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors "
        "might be asynchronously reported at some other API call.\nFor debugging consider passing "
        "CUDA_LAUNCH_BLOCKING=1"
    )
    said = (
        "the GPU cannot run this (CUDA error: no kernel image is available for execution on the "
        "device): use the device cpu, or a torch made for it"
    )
    assert device_failed(error) == said
    item = InputFile(Path("a.jpg"), Path("a.jpg"), Path("a"))
    assert failed(item, error).error == f"a.jpg: {said}"
    assert _explain(error, ()) == (said, 1)
    assert device_failed(RuntimeError("shapes do not match")) is None
    assert device_failed(ValueError("CUDA error: x")) is None


def test_what_is_missing_is_named_with_the_way_to_install_it() -> None:
    require("a test", "dev", "json", "pytest")
    with pytest.raises(ConfigError) as told:
        require("a test", "dev", "json", "no_such_package", "nor_this")
    assert str(told.value) == (
        "a test needs no_such_package, nor_this, which is not installed: "
        'pip install "panodepth[dev]"'
    )
    with pytest.raises(
        ConfigError, match=r"a test needs no_such_package, .*: pip install no_such_p"
    ):
        require("a test", "", "no_such_package")


def test_a_package_that_is_not_there_is_named_and_not_unexpected() -> None:
    gone = ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")
    assert not_installed(gone) == "torch is not installed, and this needs it: pip install torch"
    assert not_installed(ModuleNotFoundError(name="panodepth.lost")) is None
    assert not_installed(ValueError("torch")) is None


def without(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the package cannot be found or imported."""
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, *more: None if name == package else find_spec(name, *more),
    )


@pytest.mark.parametrize("option", [["--quality", "balanced"], ["--scale", "learned"]])
def test_without_torch_what_needs_it_cannot_start(
    option: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    without("torch", monkeypatch)
    picture, out = tmp_path / "a.jpg", tmp_path / "out"
    picture.write_bytes(b"a picture that is not read")
    assert main(["predict", str(picture), "--model", "m.onnx", "--out", str(out), *option]) == 2
    told = capsys.readouterr().err
    assert (
        told
        == f"error: {' '.join(option)} needs torch, which is not installed: pip install torch\n"
    )
    assert not out.exists()


def test_a_command_that_needs_torch_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without("torch", monkeypatch)
    assert main(["info"]) == 2
    told = capsys.readouterr().err
    assert told == "error: torch is not installed, and this needs it: pip install torch\n"
