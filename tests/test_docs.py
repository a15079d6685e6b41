"""The pages name files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# A Python file with its folder, or a folder in a table's first column: `model/config.py`, `jobs/`.
NAMED = re.compile(r"`((?:[\w-]+/)+[\w-]+\.py)`|^\| `((?:[\w-]+/)+)` \|", re.MULTILINE)


def names(page: Path) -> list[str]:
    return [file or folder for file, folder in NAMED.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    places = (ROOT, ROOT / "src/panodepth", ROOT / "src/panodepth/lab")
    gone = [name for name in names(page) if not any((place / name).exists() for place in places)]
    assert gone == []


def test_the_map_names_every_part() -> None:
    named = {name.rstrip("/") for name in names(ROOT / "docs/architecture.md")}
    package = ROOT / "src/panodepth"
    folders = {file.parent for depth in ("*", "lab/*") for file in package.glob(f"{depth}/*.py")}
    parts = {folder.relative_to(package).as_posix() for folder in folders} - {"lab"}
    assert parts - named == set()
