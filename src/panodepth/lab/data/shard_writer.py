"""Shards written sample by sample: whole or not at all, and the same bytes each time.

A shard counts once its index is there; the tar is put in place before it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tarfile
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

from panodepth.atomic import write_atomic
from panodepth.errors import ConfigError, OutputError
from panodepth.lab.data.shard_codec import Encoding, encode
from panodepth.lab.data.shard_index import Member, Sample, index_path, make_index
from panodepth.strict import Count, check_fields
from panodepth.types import Panorama

_BLOCK = tarfile.RECORDSIZE


@dataclass(frozen=True)
class ShardLimits:
    """A shard is closed before it would pass either. max_bytes: of its files, without headers."""

    max_bytes: Count = 1 << 30
    max_samples: Count = 10_000

    def __post_init__(self) -> None:
        check_fields(self, "the limits of a shard")


class ShardWriter:
    """Writes panoramas one by one to OUT/PREFIX-000000.tar, -000001.tar, ...

    number: of the first shard. Writers in several processes take prefixes of their own. Use as a
    context manager: leaving it with an error drops the shard that is not complete. Raises
    OutputError, one line, when the folder cannot be written.
    """

    def __init__(
        self,
        out: str | Path,
        prefix: str = "shard",
        *,
        encoding: Encoding | None = None,
        limits: ShardLimits | None = None,
        number: int = 0,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][\w-]*", prefix, re.ASCII):
            raise ConfigError(f"shard prefix {prefix!r}: use letters, digits, _ and -")
        self.out, self.prefix = Path(out), prefix
        self.encoding, self.limits = encoding or Encoding(), limits or ShardLimits()
        self.number = number
        self.about: dict[str, Any] = {}
        self._shard: _OpenShard | None = None

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        elif self._shard is not None:
            self._shard.drop()

    def add(self, panorama: Panorama, key: str) -> None:
        """Append a sample; its meta becomes its provenance (source, licence, seed, ...).

        key: unique in the data set; dots, slashes and the like become "_". A new shard is begun
        when this one is full. Raises InputError when the panorama has no distance to store.
        """
        files = encode(panorama, self.encoding)
        size = sum(map(len, files.values()))
        with _naming(self.out):
            if self._shard is not None and self._shard.is_full(size, self.limits):
                self.close()
            if self._shard is None:
                self._shard = _OpenShard(self.path(self.number))
            self._shard.add(clean_key(key), files)

    def close(self) -> Path | None:
        """Finish the current shard and put it in place; returns its path, None if there is none."""
        shard, self._shard = self._shard, None
        if shard is None:
            return None
        try:
            with _naming(self.out):
                shard.finish(self.about)
        finally:
            shard.drop()
        self.number += 1
        return shard.path

    @property
    def pending(self) -> int:
        """Samples in the shard that is not complete yet."""
        return 0 if self._shard is None else len(self._shard.samples)

    def path(self, number: int) -> Path:
        """Where shard `number` goes."""
        return self.out / f"{self.prefix}-{number:06d}.tar"


@dataclass
class _OpenShard:
    """A tar under a temporary name. Headers hold no time and no user: the same bytes each time."""

    path: Path
    samples: list[Sample] = field(default_factory=list)
    held: int = 0

    def __post_init__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.temporary = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex[:8]}.tmp")
        self.file: BinaryIO = self.temporary.open("xb")

    def is_full(self, more: int, limits: ShardLimits) -> bool:
        return len(self.samples) >= limits.max_samples or self.held + more > limits.max_bytes

    def add(self, key: str, files: dict[str, bytes]) -> None:
        members = {}
        for ending, content in files.items():
            header = tarfile.TarInfo(f"{key}.{ending}")
            header.size = len(content)
            self.file.write(header.tobuf(tarfile.USTAR_FORMAT))
            members[ending] = Member(self.file.tell(), len(content), zlib.crc32(content))
            self.file.write(content + bytes(-len(content) % tarfile.BLOCKSIZE))
        self.samples.append(Sample(key, members))
        self.held += sum(map(len, files.values()))

    def finish(self, about: dict[str, Any]) -> None:
        end = self.file.tell() + 2 * tarfile.BLOCKSIZE
        self.file.write(bytes(2 * tarfile.BLOCKSIZE + -end % _BLOCK))
        self.file.flush()
        os.fsync(self.file.fileno())
        size = self.file.tell()
        self.file.close()
        with self.temporary.open("rb") as whole:
            digest = hashlib.file_digest(cast(Any, whole), "sha256").hexdigest()
        index = make_index(self.samples, size, sha256=digest, about=about)
        index_path(self.path).unlink(missing_ok=True)  # an old one would not fit the new tar
        self.temporary.replace(self.path)
        write_atomic(index_path(self.path), index.to_json())

    def drop(self) -> None:
        """Close the file and remove it, unless it was put in place."""
        with contextlib.suppress(OSError):  # a full disk refuses what is still to be written
            self.file.close()
        self.temporary.unlink(missing_ok=True)


def clean_key(name: str) -> str:
    """The name with all but letters, digits, _ and - replaced by _, at most 80 characters.

    WebDataset gives dots a meaning, tar slashes.
    """
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:80]


@contextlib.contextmanager
def _naming(out: Path) -> Iterator[None]:
    """System errors as OutputError that names the folder."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror or error})") from error
