"""The pages name files, options, headings and Python that are there."""

from __future__ import annotations

import ast
import importlib
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

import panodepth
from panodepth.cli.shell import app
from panodepth.export.formats import FORMATS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BESIDE = [ROOT / "src/panodepth/weights/README.md", *sorted(ROOT.glob("[!.]*/README.md"))]
ALL = [*PAGES, *BESIDE, *sorted(ROOT.glob("[!.]*/*/README.md"))]
# A Python file with its folder, or a folder in a table's first column: `model/config.py`, `jobs/`.
NAMED = re.compile(r"`((?:[\w-]+/)+[\w-]+\.py)`|^\| `((?:[\w-]+/)+)` \|", re.MULTILINE)
# A command with all that follows on its line; the options in it.
COMMAND = re.compile(r"(?<![\w/.-])panodepth ([a-z-]+)([^`\n|;&#]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
ROW = re.compile(r"(?<!\\)\|")


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


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What follows # in links to the headings of a page, as GitHub makes it."""
    found: Counter[str] = Counter()
    made = set()
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        made.add(f"{anchor}-{found[anchor]}" if found[anchor] else anchor)
        found[anchor] += 1
    return made


def test_every_format_stands_on_a_page() -> None:
    pages = (ROOT / name for name in ("README.md", "docs/formats.md", "docs/robots.md"))
    told = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    assert [name for name in FORMATS if f"`{name}`" not in told] == []


@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_file_and_a_heading_of_it(page: Path) -> None:
    for link in ("".join(found) for found in LINK.findall(prose(page))):
        if not link.startswith("http"):
            file, _, heading = link.partition("#")
            target = page.parent / file if file else page
            assert target.exists(), link
            assert not heading or heading in anchors(target), link


def test_every_page_is_two_clicks_from_the_first() -> None:
    def linked(page: Path) -> set[Path]:
        found = ("".join(link).partition("#")[0] for link in LINK.findall(prose(page)))
        files = {(page.parent / file).resolve() for file in found if file and "://" not in file}
        return {file for file in files if file.suffix == ".md"}

    near = linked(ROOT / "README.md")
    near |= {file for page in near for file in linked(page)}
    assert {str(page.relative_to(ROOT)) for page in {*ALL} - near} <= {"README.md"}


def test_environment_variables_stand_on_a_page() -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    code = "\n".join(file.read_text("utf-8") for file in (ROOT / "src").rglob("*.py"))
    tags = {"PANODEPTH_NEAR", "PANODEPTH_FAR"}  # of a video file
    named = {*re.findall(r"\bPANODEPTH_[A-Z_]+", code)} - tags
    assert {"PANODEPTH_DEBUG", "PANODEPTH_API_KEY"} <= named
    assert [name for name in named if f"`{name}" not in page] == []


def test_long_pages_begin_with_their_contents() -> None:
    texts = {page: page.read_text(encoding="utf-8").splitlines() for page in ALL[1:]}
    begins = {page: "\n".join(lines[:40]) for page, lines in texts.items() if len(lines) > 180}
    assert len(begins) > 6
    assert [page.name for page, text in begins.items() if "**On this page**" not in text] == []


@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))
def test_tables_have_a_head_and_rows_of_one_length(page: Path) -> None:
    """A blank line ends a table: the rows after it would be shown as they stand here."""
    for table in re.findall(r"(?:^ *\|.*\n)+", prose(page), re.MULTILINE):
        rows = table.splitlines()
        assert len(rows) > 1, rows
        assert re.fullmatch(r" *\|[\s:|-]+\|", rows[1]), rows[0]
        assert len({len(ROW.findall(row)) for row in rows}) == 1, rows[0]


@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_on_a_page_imports_what_there_is(page: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in ast.walk(ast.parse(code)):
            if isinstance(line, ast.ImportFrom) and str(line.module).startswith("panodepth"):
                module = importlib.import_module(str(line.module))
                assert [n.name for n in line.names if not hasattr(module, n.name)] == []


@pytest.mark.parametrize(
    "recipe", sorted(ROOT.glob("recipes/**/*.toml")), ids=lambda file: file.name
)
def test_files_that_a_recipe_names_are_there(recipe: Path) -> None:
    named = re.findall(r"\b(?:src|docs|recipes)/[\w/]+\.\w+", recipe.read_text(encoding="utf-8"))
    assert [file for file in named if not (ROOT / file).exists()] == []


def test_the_citation_names_this_version() -> None:
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert told["version"] == panodepth.__version__
    assert told["license"] == "Apache-2.0"
    assert {"cff-version", "message", "title", "authors"} <= set(told)  # what the format asks for
