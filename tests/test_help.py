"""What --help shows: whole sentences, options in groups, examples that can be typed."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.main import get_command

from panodepth.cli import main
from panodepth.cli.help import EXAMPLES
from panodepth.cli.shell import COMMANDS, app

LINES = [line for lines in EXAMPLES.values() for line, _ in lines]


def shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main([*arguments, "--help"]) == 0
    return capsys.readouterr().out


def test_each_command_is_told_in_whole_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    listed = shown([], capsys).split("Commands:\n")[1]
    assert "..." not in listed
    assert len(re.findall(r"^  [a-z]", listed, re.M)) == len(COMMANDS)
    assert listed.count(".\n") == len(COMMANDS)


def test_options_are_in_groups_and_examples_end_the_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = shown(["predict"], capsys)
    groups = re.findall(r"^([A-Z]\w+):$", page, re.M)
    assert groups == ["Arguments", "Options", "Lenses", "Files", "Metres"]
    metres = page.split("Metres:\n")[1]
    assert "--camera-height" in metres
    assert "--one-view" in metres
    last = page.split("Examples:\n")[1]
    assert all(line in last for line, _ in EXAMPLES["predict"])


@pytest.mark.parametrize("line", LINES)
def test_an_example_can_be_typed(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, *words = shlex.split(line)
    assert name == "panodepth"
    assert "Usage" in shown(words, capsys)
    assert main([*words, "--unknown", "--help"]) == 2


def test_every_example_is_of_a_command() -> None:
    assert set(EXAMPLES) <= {command.__name__.replace("_", "-") for command in COMMANDS}


def test_every_command_that_tells_what_it_did_can_be_quiet() -> None:
    """`info` and `bench` print what they were asked for, and nothing else."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    flags = {name: {flag for p in of.params for flag in p.opts} for name, of in commands.items()}
    assert {name for name, found in flags.items() if "--quiet" not in found} == {"info", "bench"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("predict a.png --camera-height 1_6", "'--camera-height': '1_6' is no number"),
        ("predict a.png --voxel=0_1", "'--voxel': '0_1' is no number"),
        ("predict a.png --workers 1_0", "'--workers': '1_0' is no number"),
        ("predict a.png --max-memory 1_6", "'1_6' is no number of gigabytes"),
        ("predict a.png --format glb --faces 1_000", "'1_000'"),
        ("predict a.png --set ply.voxel=1_0", "voxel in the options of ply must be a number"),
        ("live a.png --range-max 3_0", "'--range-max': '3_0' is no number"),
        ("render --count 1_0 --out a_1", "'--count': '1_0' is no number"),
    ],
)
def test_a_number_with_a_line_below_is_none(
    given: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(given.split()) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
