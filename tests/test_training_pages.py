"""The pages on training: links and named files are there, their TOML is a recipe."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from panodepth.lab.training.config import config_from_dict, load_config

ROOT = Path(__file__).parents[1]
PAGES = ["training.md", "finetuning.md", "ablations.md"]
TEXTS = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in PAGES}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", TEXTS[page])
    assert links
    for link in links:
        assert link.startswith("http") or (ROOT / "docs" / link).exists(), link


@pytest.mark.parametrize("page", PAGES)
def test_files_that_commands_name_are_there(page):
    named = re.findall(r"(?:recipes|benchmarks)/[\w/]+\.\w+", TEXTS[page])
    assert named
    assert all((ROOT / file).exists() for file in named)


def test_toml_is_part_of_a_recipe():
    for block in re.findall(r"```toml\n(.*?)```", TEXTS["training.md"], re.DOTALL):
        config = config_from_dict(tomllib.loads(block))
        assert [s.kind for s in config.sources] == ["structured3d", "folder"]


def test_settings_that_pages_name_exist():
    known = {
        f"{table}.{key}"
        for table, values in load_config(ROOT / "recipes/compact.toml").to_dict().items()
        if isinstance(values, dict)
        for key in values
    }
    for text in TEXTS.values():
        named = re.findall(r"\b((?:network|data|loss|optim|run)\.[a-z_]+)\b(?!\.)", text)
        assert {n for n in named if not n.endswith((".md", ".py"))} <= known
