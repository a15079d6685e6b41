"""Put reports of `panodepth bench` into docs/performance.md, between its two marks:

python benchmarks/performance_page.py benchmarks/results/DATE-machine.md [MORE.md ...]

Reports that the page linked to before and does not any more are deleted.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pages

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
BEGIN = "<!-- table: panodepth bench -->"


def section(report: Path) -> str:
    """A report as a part of the page: its command, its machine in one line, its tables."""
    title, _, rest = report.read_text(encoding="utf-8").partition("\n")
    head, _, tables = rest.partition("\n## ")
    facts = ", ".join(line.removeprefix("- ") for line in head.strip().splitlines())
    link = f"[report](../{report.resolve().relative_to(ROOT).as_posix()})"
    tables = f"## {tables.strip()}".replace("## ", "### ")
    return f"`{title.removeprefix('# ')}` ({facts}; {link}):\n\n{tables}\n"


def tables(reports: list[Path]) -> str:
    """All reports, one after the other."""
    return "\n".join(map(section, reports))


def linked(page: Path) -> set[Path]:
    """The reports that a page links to."""
    found = re.findall(r"\[report\]\(([\w./-]+)\)", page.read_text(encoding="utf-8"))
    return {(page.parent / link).resolve() for link in found}


def replace_reports(page: Path, reports: list[Path]) -> None:
    """Show these in the page, and delete those that it showed before."""
    before = linked(page)
    pages.write_table(page, BEGIN, tables(reports))
    for old in before - linked(page):
        old.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", type=Path, nargs="+")
    replace_reports(PAGE, parser.parse_args().reports)


if __name__ == "__main__":
    main()
