"""Put reports of `panodepth bench` into docs/performance.md, between its two marks:

python benchmarks/performance_page.py benchmarks/results/2026-11-23-amd-epyc.md [MORE.md ...]
"""

from __future__ import annotations

import argparse
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", type=Path, nargs="+")
    pages.write_table(PAGE, BEGIN, tables(parser.parse_args().reports))


if __name__ == "__main__":
    main()
