"""Put reports of `panodepth bench` into docs/performance.md, between its two marks:

python benchmarks/performance_page.py benchmarks/results/2026-11-23-amd-epyc.md [MORE.md ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- table: panodepth bench -->\n", "<!-- end of table -->"


def section(report: Path) -> str:
    """A report as a part of the page: its command, its machine in one line, its tables."""
    title, _, rest = report.read_text(encoding="utf-8").partition("\n")
    head, _, tables = rest.partition("\n## ")
    facts = ", ".join(line.removeprefix("- ") for line in head.strip().splitlines())
    link = f"[report](../{report.resolve().relative_to(ROOT).as_posix()})"
    tables = f"## {tables.strip()}".replace("## ", "### ")
    return f"`{title.removeprefix('# ')}` ({facts}; {link}):\n\n{tables}\n"


def filled(page: str, reports: list[Path]) -> str:
    """The page with these reports in place of those it had."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n".join(map(section, reports)) + END + after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", type=Path, nargs="+")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(filled(page, parser.parse_args().reports), encoding="utf-8")


if __name__ == "__main__":
    main()
