"""Sources of perspective frames, by name: each reads a public set in its own tree."""

from collections.abc import Callable
from pathlib import Path

from panodepth.errors import ConfigError
from panodepth.lab.curation.sources.annotated import open_dynamic_replica, open_hypersim, open_nyu
from panodepth.lab.curation.sources.base import FrameSource, ListedFrames
from panodepth.lab.curation.sources.plain import open_frames, open_listed
from panodepth.lab.curation.sources.synthetic import (
    KEN_BURNS,
    MVS_SYNTH,
    TARTANAIR,
    UNREALSTEREO4K,
    VKITTI2,
)
from panodepth.lab.data.source import named_path
from panodepth.strict import find_named

SOURCES: dict[str, Callable[[str | Path], FrameSource]] = {
    "frames": open_frames,
    "hypersim": open_hypersim,
    "vkitti2": VKITTI2.open,
    "mvs_synth": MVS_SYNTH.open,
    "unrealstereo4k": UNREALSTEREO4K.open,
    "ken_burns": KEN_BURNS.open,
    "dynamic_replica": open_dynamic_replica,
    "tartanair": TARTANAIR.open,
    "nyu": open_nyu,
}


def parse_source(text: str, *, without_depth: bool = False) -> FrameSource:
    """The source that a text names: KIND=PATH, or PATH for frames of your own. Raises ConfigError.

    without_depth: see `open_frame_source`.
    """
    kind, path = named_path(text)
    return open_frame_source("frames" if kind is None else kind, path, without_depth=without_depth)


def open_frame_source(kind: str, path: str | Path, *, without_depth: bool = False) -> FrameSource:
    """The source `kind` (a key of SOURCES) at `path`; nothing is decoded yet.

    without_depth: take pictures that have no depth, too (to be estimated); "frames" only, the
    public sets all bring theirs. Raises ConfigError when the kind is unknown or nothing is found,
    saying what was looked for.
    """
    opener = find_named("frame source", kind, SOURCES)
    if not without_depth:
        return opener(path)
    if kind != "frames":
        raise ConfigError(f"{kind} has depths of its own; estimated ones are for frames=DIR")
    return open_frames(path, without_depth=True)


__all__ = [
    "SOURCES",
    "FrameSource",
    "ListedFrames",
    "open_frame_source",
    "open_listed",
    "parse_source",
]
