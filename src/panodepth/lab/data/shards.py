"""Shards read at random: a folder of WebDataset tars as a source of panoramas."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from panodepth.errors import ConfigError, InputError
from panodepth.lab.data.shard_codec import decode, stated_name
from panodepth.lab.data.shard_index import INDEX_SUFFIX, Sample, ShardIndex, index_path, read_index
from panodepth.lab.data.splits import read_split
from panodepth.types import Panorama

MAX_MEMBER_BYTES = 1 << 31  # of one file in a shard: a 16K distance takes 0.5 GB


@dataclass(frozen=True)
class Shards:
    """The samples of several shards in the order of the shards' names, then of the files.

    A sample's bytes are read with one seek and checked against the index; nothing stays open, so
    that worker processes can share the object.
    """

    name: str
    tars: Sequence[Path]
    indexes: Sequence[ShardIndex]
    _ends: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lengths = map(len, self.indexes)
        object.__setattr__(self, "_ends", list(itertools.accumulate(lengths)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> Panorama:
        """Raises InputError naming shard and sample when its files are damaged."""
        tar, sample = self._find(index)
        where = f"{tar}: {sample.key}"
        files = read_sample(tar, sample)
        defaults = {"name": sample.key, "source": self.name}
        panorama = decode(files, where, defaults)
        panorama.meta["shard"] = {"file": tar.name, "key": sample.key}
        return panorama

    def stamp(self, index: int) -> str:
        """A digest of what the index says of sample `index`: sizes and checksums of its files."""
        _, sample = self._find(index)
        files = sorted((ending, file.size, file.crc32) for ending, file in sample.files.items())
        return hashlib.sha256(f"{sample.key} {files}".encode()).hexdigest()[:16]

    def sample_name(self, index: int) -> str:
        """What sample `index` is called by its JSON, which alone is read; else its key."""
        tar, sample = self._find(index)
        told = {ending: file for ending, file in sample.files.items() if ending == "json"}
        try:
            return stated_name(read_sample(tar, Sample(sample.key, told))["json"]) or sample.key
        except (InputError, KeyError):  # whoever reads the whole sample says what is wrong
            return sample.key

    def _find(self, index: int) -> tuple[Path, Sample]:
        """The shard of sample `index`, and where the sample lies in it."""
        if not 0 <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} samples, not {index + 1}")
        shard = bisect.bisect_right(self._ends, index)
        before = self._ends[shard - 1] if shard else 0
        return self.tars[shard], self.indexes[shard].sample(index - before)


def read_sample(tar: Path, sample: Sample) -> dict[str, bytes]:
    """File ending -> bytes, checked by length and CRC. Raises InputError."""
    files = {}
    try:
        with tar.open("rb") as opened:
            for ending, member in sample.files.items():
                if member.size > MAX_MEMBER_BYTES:
                    raise InputError(f"{tar}: {sample.key}.{ending} has {member.size:,} bytes")
                opened.seek(member.offset)
                files[ending] = opened.read(member.size)
    except OSError as error:
        raise InputError(f"{tar}: cannot be read ({error.strerror or error})") from error
    for ending, member in sample.files.items():
        if len(files[ending]) != member.size:
            raise InputError(f"{tar}: cut short inside {sample.key}.{ending}")
        if member.crc32 >= 0 and zlib.crc32(files[ending]) != member.crc32:
            raise InputError(f"{tar}: {sample.key}.{ending} is damaged (its checksum is another)")
    return files


def open_shards(path: str | Path, split: Path | None = None) -> Shards:
    """The shards in a folder (or one .tar file).

    split: a list of sample keys. Raises ConfigError when there is no shard, InputError when one is
    cut short, damaged or holds no panorama.
    """
    root = Path(path).expanduser()
    tars = [root] if root.is_file() else sorted(root.glob("*.tar")) if root.is_dir() else []
    tars = [tar for tar in tars if not tar.name.startswith(".")]
    if not tars:
        raise ConfigError(f"{root}: no shard; looked for *.tar with *{INDEX_SUFFIX}")
    indexes = [read_index(tar) for tar in tars]
    if split is not None:
        wanted = {row[0] for row in read_split(split)}
        indexes = [index.only(wanted) for index in indexes]
        if missing := sorted(wanted.difference(*(index.keys for index in indexes))):
            raise ConfigError(
                f"{root}: {len(missing)} keys of {split} are not in it, first {missing[0]}"
            )
    return Shards(root.stem if root.is_file() else root.resolve().name, tars, indexes)


def verify_shards(path: str | Path) -> list[str]:
    """Compare every shard with the SHA-256 in its index; returns one line for each that differs."""
    problems = []
    shards = open_shards(path)
    for tar, index in zip(shards.tars, shards.indexes, strict=True):
        if index.sha256 is None:
            problems.append(f"{tar}: has no {index_path(tar).name} to compare with")
            continue
        with tar.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != index.sha256:
                problems.append(f"{tar}: damaged, its SHA-256 is another than its index says")
    return problems
