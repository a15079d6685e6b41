"""docs/performance.md holds recorded runs, names what exists, and its links lead somewhere."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import panodepth
from panodepth.errors import ConfigError
from panodepth.lab.bench.routes import ROUTES

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "performance.md").read_text(encoding="utf-8")
SCRIPTS = DOCS.parent / "benchmarks"


def test_the_tables_are_those_of_the_linked_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    script, pages = (importlib.import_module(name) for name in ("performance_page", "pages"))
    reports = [DOCS / link for link in re.findall(r"\[report\]\(([\w./-]+)\)", PAGE)]
    assert reports
    for page in (PAGE, PAGE.replace("| compact |", "| giant |")):
        assert pages.filled(page, script.BEGIN, script.tables(reports)) == PAGE
    with pytest.raises(ConfigError, match="no lines"):
        pages.filled("no table here", script.BEGIN, "")


def test_new_reports_replace_the_old_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    script = importlib.import_module("performance_page")
    monkeypatch.setattr(script, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    page, old, new = (tmp_path / name for name in ("docs/page.md", "old.md", "new.md"))
    page.write_text(f"before\n{script.BEGIN}\n<!-- end of table -->\nafter\n")
    for report in (old, new, new):  # the last changes nothing
        report.write_text(f"# panodepth bench {report.stem}\n\n- cores: 2\n\n## Network\n\nrows\n")
        script.replace_reports(page, [report])
        assert script.linked(page) == {report}
        told = f"`panodepth bench {report.stem}` (cores: 2; [report](../{report.name})):"
        assert told in page.read_text()
    assert "### Network\n\nrows" in page.read_text()
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")
    assert (old.exists(), new.exists()) == (False, True)


def test_links_and_options_exist() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert link.startswith("http") or (DOCS / link).exists(), link
    for file in re.findall(r"`((?:model|lab/bench)/[\w/]+\.py)`", PAGE):
        assert (DOCS.parent / "src/panodepth" / file).exists(), file
    named = set(re.findall(r"`(plain|fast|graph|compile|int8|openvino|openvino-int8|onnx)`", PAGE))
    assert named <= {route.name for route in ROUTES}


def test_the_table_beside_other_work_is_the_report_of_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    busy, pages = (importlib.import_module(name) for name in ("busy", "pages"))
    report = busy.REPORT.read_text(encoding="utf-8")
    assert pages.filled(PAGE, busy.BEGIN, report) == PAGE
    slow = {name: [0.2, 0.1, 0.4] for name in busy.WAYS}
    table = busy.table([slow, slow | {"panodepth": [0.05, 0.1, 0.02]}], load=0.25)
    assert "load before 0.2, medians of 3 rounds" in table
    assert "| panodepth | 200.0 ms | 1.00 x | 50.0 ms | 4.00 x |" in table
    assert pages.filled(PAGE, busy.BEGIN, table) != PAGE


def test_the_page_says_what_the_package_sets() -> None:
    assert f"`GOMP_SPINCOUNT={panodepth.SPINS_BEFORE_SLEEP}`" in PAGE
