"""Code blocks of docs/architecture.md, so that a test does exactly what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
MOST_LINES = 10  # of a block, without its imports and blank lines


def block(heading: str) -> str:
    """The first ```python block under `### heading`."""
    section = re.search(
        rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGE.read_text(), re.M | re.S
    )
    assert section, f"no heading {heading!r} in {PAGE.name}"
    code = re.search(r"```python\n(.*?)```", section[1], re.S)
    assert code, f"no code under {heading!r}"
    return code[1]


def follow(heading: str) -> dict[str, Any]:
    """Run the block and return the names it defines."""
    names: dict[str, Any] = {}
    exec(compile(block(heading), f"docs/architecture.md: {heading}", "exec"), names)
    return names


def own_lines(heading: str) -> int:
    """How many lines somebody who follows the block has to think of."""
    lines = [line for line in block(heading).splitlines() if line.strip()]
    return sum(not re.match(r"(from|import) ", line) for line in lines)
