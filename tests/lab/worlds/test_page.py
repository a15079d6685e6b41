"""docs/worlds.md says what the code draws."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from panodepth.lab.worlds import Priors
from panodepth.lab.worlds.closeup.low import KINDS as LOW
from panodepth.lab.worlds.halls.kinds import KINDS as HALLS
from panodepth.lab.worlds.land.places import KINDS as LANDS
from panodepth.lab.worlds.looks.weather import HARD

PAGE = (Path(__file__).parents[3] / "docs" / "worlds.md").read_text(encoding="utf-8")
PRIORS = {f.name: f.default for f in fields(Priors) if f.name != "version"}


def shares(kinds):
    return {name: share for name, (share, _) in kinds.items()}


@pytest.mark.parametrize(
    ("title", "drawn"),
    [
        ("low things", shares(LOW)),
        ("halls", shares(HALLS)),
        ("far outdoors", shares(LANDS)),
        ("hard skies", HARD),
        ("field", PRIORS),
    ],
)
def test_tables_hold_every_kind_and_its_share(title, drawn):
    _, _, table = PAGE.partition(f"| {title} |")
    rows = re.findall(r"^\| `([^`]+)` \| ([\d.]+) \|", table.split("\n\n")[0], re.MULTILINE)
    assert {name: float(share) for name, share in rows} == drawn
    if title != "field":
        assert sum(drawn.values()) == pytest.approx(1, abs=0.02)


def test_the_example_runs(capsys):
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, {})
    assert "torch.Size([2, 3, 64, 128])" in capsys.readouterr().out


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert links
    assert all((Path(__file__).parents[3] / "docs" / link).exists() for link in links)
