"""The pages name files and options that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from panodepth.cli.shell import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# A Python file with its folder, or a folder in a table's first column: `model/config.py`, `jobs/`.
NAMED = re.compile(r"`((?:[\w-]+/)+[\w-]+\.py)`|^\| `((?:[\w-]+/)+)` \|", re.MULTILINE)
# A command with all that follows on its line; the options in it.
COMMAND = re.compile(r"(?<![\w/.-])panodepth ([a-z-]+)([^`\n|;&#]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def names(page: Path) -> list[str]:
    return [file or folder for file, folder in NAMED.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    places = (ROOT, ROOT / "src/panodepth", ROOT / "src/panodepth/lab")
    gone = [name for name in names(page) if not any((place / name).exists() for place in places)]
    assert gone == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_a_page_take_the_options_that_it_gives(page: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    unknown = [
        f"{name} {option}"
        for name, rest in COMMAND.findall(page.read_text(encoding="utf-8").replace("\\\n", " "))
        for option in OPTION.findall(rest if name in commands else "")
        if not any(option in (*p.opts, *p.secondary_opts) for p in commands[name].params)
    ]
    assert unknown == []


def test_the_map_names_every_part() -> None:
    named = {name.rstrip("/") for name in names(ROOT / "docs/architecture.md")}
    package = ROOT / "src/panodepth"
    folders = {file.parent for depth in ("*", "lab/*") for file in package.glob(f"{depth}/*.py")}
    parts = {folder.relative_to(package).as_posix() for folder in folders} - {"lab"}
    assert parts - named == set()
