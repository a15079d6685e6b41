"""Under which licence weights come, and whether it allows commercial use; goes into every sample.

What is said here is what the publishers say; read the licence itself before you rely on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "unknown"
FLUX_DEV = "FLUX.1 [dev] Non-Commercial License"
FLUX_NON_COMMERCIAL = "FLUX Non-Commercial License"


@dataclass(frozen=True)
class Licence:
    """name: as published, or UNKNOWN. commercial: whether it allows that; None: not known."""

    name: str
    commercial: bool | None


# By hub id, as their model cards said in 2026.
KNOWN = {
    "black-forest-labs/FLUX.1-Fill-dev": Licence(FLUX_DEV, False),
    "black-forest-labs/FLUX.2-klein-4B": Licence("Apache-2.0", True),
    "black-forest-labs/FLUX.2-klein-base-4B": Licence("Apache-2.0", True),
    "black-forest-labs/FLUX.2-klein-9B": Licence(FLUX_NON_COMMERCIAL, False),
    "black-forest-labs/FLUX.2-klein-base-9B": Licence(FLUX_NON_COMMERCIAL, False),
    # excludes the European Union, the United Kingdom and South Korea
    "tencent/HunyuanWorld-1": Licence("Tencent HunyuanWorld-1.0 Community License", None),
}
PERMISSIVE = {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0"}
RESTRICTED = ("non-commercial", "noncommercial", "-nc-", "research-only")


def licence_called(name: str) -> Licence:
    """A licence by its name; whether it is commercial only where the name leaves no doubt."""
    if not name or name == UNKNOWN:
        return Licence(UNKNOWN, None)
    lowered = name.lower().replace(" ", "-")
    if lowered in PERMISSIVE:
        return Licence(name, True)
    if any(word in lowered for word in RESTRICTED):
        return Licence(name, False)
    return Licence(name, None)


def find_licence(model: str, folder: Path | None, said: str = "") -> Licence:
    """The licence of weights: what the user says, else the table, else their model card.

    model: hub id or path. folder: where the weights lie, with README.md if they have one.
    """
    if said:
        return licence_called(said)
    if model in KNOWN:
        return KNOWN[model]
    return licence_called(_card_licence(folder / "README.md") if folder is not None else "")


def both(weights: Licence, adapter: Licence) -> bool | None:
    """Whether weights and an adapter on top may be used commercially together."""
    if False in (weights.commercial, adapter.commercial):
        return False
    return True if weights.commercial and adapter.commercial else None


def _card_licence(card: Path) -> str:
    """The `license_name` or `license` of a model card's header, "" where there is none."""
    try:
        lines = card.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    if not lines or lines[0].strip() != "---":
        return ""
    found: dict[str, str] = {}
    for line in lines[1:]:
        if line.strip() == "---":
            break
        key, colon, value = line.partition(":")
        if colon and not key.startswith((" ", "#")):
            found[key.strip()] = value.strip().strip("'\"")
    return found.get("license_name") or found.get("license", "")
