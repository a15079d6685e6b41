"""What lies where in a shard: NAME.tar and, beside it, NAME.index.json.

The index makes random access possible and says whether the tar is whole. A shard without an index
(of another maker) is scanned once when it is opened; its files are then not checked.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError, one_line, raise_if_out_of_memory
from panodepth.lab.data.shard_codec import DISTANCES, PICTURES

FORMAT = "panodepth shard 1"
INDEX_SUFFIX = ".index.json"


class Member(NamedTuple):
    """One file in the tar, bytes [offset, offset + size). crc32: of them, -1 = not known."""

    offset: int
    size: int
    crc32: int = -1


class Sample(NamedTuple):
    """key: the files' common name. files: ending ("jpg", "distance.npy", ...) -> where it lies."""

    key: str
    files: dict[str, Member]


@dataclass(frozen=True)
class ShardIndex:
    """One shard, kept small in memory: a data set may have a million samples.

    table: (samples, endings, 3) int64, a `Member` per sample and ending; offset -1 = no such file.
    size [bytes] and sha256 are the tar's. about: what its writer noted.
    """

    keys: Sequence[str]
    endings: Sequence[str]
    table: npt.NDArray[np.int64]
    size: int
    sha256: str | None = None
    about: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)

    def sample(self, number: int) -> Sample:
        """Sample `number` of the shard."""
        rows = zip(self.endings, self.table[number].tolist(), strict=True)
        return Sample(self.keys[number], {e: Member(*row) for e, row in rows if row[0] >= 0})

    def only(self, keys: set[str]) -> ShardIndex:
        """The same shard with the samples of these keys alone."""
        kept = [i for i, key in enumerate(self.keys) if key in keys]
        return replace(self, keys=[self.keys[i] for i in kept], table=self.table[kept])

    def to_json(self) -> str:
        """The text of the index file."""
        content = {
            "format": FORMAT,
            "size": self.size,
            "sha256": self.sha256,
            "about": self.about,
            "endings": list(self.endings),
            "samples": [
                [key, *row] for key, row in zip(self.keys, self.table.tolist(), strict=True)
            ],
        }
        return json.dumps(content, separators=(",", ":")) + "\n"


def make_index(samples: Iterable[Sample], size: int, **more: Any) -> ShardIndex:
    """The index of a list of samples; more: sha256, about."""
    samples = list(samples)
    endings = sorted({ending for sample in samples for ending in sample.files})
    missing = Member(-1, 0)
    rows = [[sample.files.get(ending, missing) for ending in endings] for sample in samples]
    table = np.array(rows, np.int64).reshape(len(samples), len(endings), 3)
    return ShardIndex([sample.key for sample in samples], endings, table, size, **more)


def index_path(tar: Path) -> Path:
    """NAME.tar -> NAME.index.json"""
    return tar.with_name(tar.stem + INDEX_SUFFIX)


def read_index(tar: Path) -> ShardIndex:
    """The index of a shard, from its file or by a scan of the tar.

    Raises InputError when the index is damaged, the tar is not of the size that it says, or the
    tar holds no sample.
    """
    file = index_path(tar)
    if not file.is_file():
        return scan(tar)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise InputError(f"{file}: written as {content['format']!r}, this reads {FORMAT!r}")
        keys = [str(row[0]) for row in content["samples"]]
        endings = [str(ending) for ending in content["endings"]]
        table = np.array([row[1:] for row in content["samples"]], np.int64)
        table = table.reshape(len(keys), len(endings), 3)
        size, sha256, about = int(content["size"]), content["sha256"], dict(content["about"])
        if (table[..., :2].min(axis=(0, 1), initial=0) < (-1, 0)).any() or (
            table[..., :2].astype(np.float64).sum(axis=2).max(initial=0) > size
        ):
            raise ValueError("a file lies outside the tar")
    except InputError:
        raise
    except Exception as error:  # what is in it may be anything
        raise_if_out_of_memory(error, str(file))
        told = one_line(repr(error), 200)
        raise InputError(f"{file}: damaged index of a shard ({told}); delete it") from error
    try:
        found = tar.stat().st_size
    except OSError as error:
        raise InputError(f"{tar}: missing, though {file.name} is there") from error
    if found != size:
        raise InputError(f"{tar}: {found} bytes, its index says {size}: cut short or replaced")
    return ShardIndex(keys, endings, table, size, sha256, about)


def scan(tar: Path) -> ShardIndex:
    """An index made by reading the headers of any WebDataset tar that holds panoramas."""
    groups: dict[str, dict[str, Member]] = {}
    end = 0
    try:
        with tarfile.open(tar, "r:") as archive:
            for member in archive:
                end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                folder, _, name = member.name.rpartition("/")
                stem, _, ending = name.partition(".")
                if member.isfile() and stem:
                    key = f"{folder}/{stem}" if folder else stem
                    groups.setdefault(key, {})[ending] = Member(member.offset_data, member.size)
        with tar.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(end)
            mark = file.read(tarfile.BLOCKSIZE)
    except Exception as error:  # of tarfile, on damaged headers
        raise_if_out_of_memory(error, str(tar))
        told = one_line(error, 200)
        raise InputError(f"{tar}: not a whole, uncompressed tar file ({told})") from error
    ends = {
        f"{key}.{ending}": place.offset + place.size
        for key, files in groups.items()
        for ending, place in files.items()
    }
    if beyond := [name for name, stop in ends.items() if stop > size]:
        raise InputError(f"{tar}: cut short inside {beyond[0]}")
    if mark != bytes(tarfile.BLOCKSIZE):  # tarfile takes a cut header for the end
        raise InputError(f"{tar}: cut short, no end mark at byte {end} of {size}")
    samples = [
        Sample(key, files)
        for key, files in groups.items()
        if any(e in files for e in PICTURES) and any(e in files for e in DISTANCES)
    ]
    if not samples:
        seen = sorted({ending for files in groups.values() for ending in files})
        raise InputError(
            f"{tar}: no panorama in it; expected KEY.jpg or KEY.png with KEY.distance.npy or "
            f"KEY.distance.png, found {', '.join(seen[:8]) or 'nothing'}"
        )
    return make_index(samples, size)
