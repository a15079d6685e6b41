"""Split lists: which samples of a dataset, in which order.

Two columns are pairs: `IMAGE DISTANCE`, relative to the dataset's folder, as the released
evaluation lists have them. One column selects from what is found: a sample's picture, or a folder
(such as `scene_00012`) for all samples in it. Empty lines and lines that begin with # are skipped.
Where a line has a tab, tabs alone part its names, which may then hold spaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from panodepth.errors import ConfigError
from panodepth.lab.data.source import Pair


def read_split(path: str | Path) -> list[tuple[str, ...]]:
    """The lines of a split list as tuples, all of one or all of two names.

    Raises ConfigError, one line, when the file cannot be read, is empty or mixes the two forms.
    """
    where = Path(path).expanduser()
    try:
        lines = where.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: split list cannot be read ({error})") from error
    rows: list[tuple[str, ...]] = []
    for number, line in enumerate(lines, 1):
        names = line.split("\t") if "\t" in line else line.split()
        row = tuple(Path(name.strip()).as_posix() for name in names if name.strip())  # no ./, no //
        if not row or row[0].startswith("#"):
            continue
        if len(row) not in (1, 2) or (rows and len(row) != len(rows[0])):
            raise ConfigError(
                f"{where}, line {number}: {len(row)} names; expected IMAGE DISTANCE on every line, "
                "or one name on every line"
            )
        if any(Path(name).is_absolute() or ".." in Path(name).parts for name in row):
            raise ConfigError(f"{where}, line {number}: names are relative to the dataset's folder")
        rows.append(row)
    if not rows:
        raise ConfigError(f"{where}: the split list is empty")
    return rows


def select(pairs: Sequence[Pair], rows: Sequence[tuple[str, ...]], where: str) -> list[Pair]:
    """The pairs that a split list names: in its order, or for one column sorted as found.

    What is named twice counts once. where: what errors name. Raises ConfigError when a name of a
    one-column list matches nothing.
    """
    if len(rows[0]) == 2:
        both = dict.fromkeys(rows)
        return [Pair(str(Path(image).with_suffix("")), image, depth) for image, depth in both]
    wanted = {row[0] for row in rows}
    used: set[str] = set()
    selected = []
    for pair in pairs:
        parents = (str(p) for p in Path(pair.image).parents)
        hits = wanted.intersection((pair.image, pair.name, *parents))
        if hits:
            used |= hits
            selected.append(pair)
    if unused := sorted(wanted - used):
        raise ConfigError(
            f"{where}: of the split list's names {len(unused)} match nothing, first {unused[0]}"
        )
    return selected
