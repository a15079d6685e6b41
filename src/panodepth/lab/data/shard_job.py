"""A whole source as shards; a run that was stopped goes on where it was.

Borders between shards depend on the samples alone, so a run that stopped and went on has written
what one run would have.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from panodepth.errors import InputError, OutputError
from panodepth.lab.data.shard_codec import Encoding
from panodepth.lab.data.shard_index import index_path, read_index
from panodepth.lab.data.shard_writer import ShardLimits, ShardWriter, clean_key
from panodepth.lab.data.source import PanoramaSource


@dataclass(frozen=True)
class Written:
    """What `write_shards` did. skipped: (sample number, error) of broken samples, of all shards."""

    shards: list[Path]
    samples: int
    skipped: list[tuple[int, str]]


def write_shards(
    source: PanoramaSource,
    out: str | Path,
    *,
    encoding: Encoding | None = None,
    limits: ShardLimits | None = None,
    meta: dict[str, Any] | None = None,
    on_sample: Callable[[int], None] | None = None,
) -> Written:
    """Write a whole source as shards; what complete shards in `out` already hold is kept.

    meta: added to every sample's provenance (licence, seed, ...). on_sample: called with each
    sample's number once it is done. Broken samples are skipped, counted and noted in the index.
    Raises OutputError when `out` holds shards of something else, or cannot be written; InputError
    when no sample could be used.
    """
    encoding, limits = encoding or Encoding(), limits or ShardLimits()
    job: dict[str, Any] = {
        "source": source.name,
        "length": len(source),
        "encoding": asdict(encoding),
        "limits": asdict(limits),
        "meta": json.loads(json.dumps(meta or {}, default=str)),  # as an index gives it back
    }
    prefix = clean_key(source.name).strip("_-") or "shard"
    writer = ShardWriter(out, prefix, encoding=encoding, limits=limits)
    shards, done, samples, skipped = _complete(writer, job)
    if writer.number and done == len(source):
        return Written(shards, samples, skipped)
    start, here = done, list[tuple[int, str]]()
    with writer:
        for number in range(done, len(source)):
            try:
                panorama = source[number]
                panorama = replace(panorama, meta={**panorama.meta, **(meta or {})})
                before, pending = writer.number, writer.pending
                writer.about = {**job, "start": start, "stop": number, "skipped": here}
                writer.add(panorama, f"{number:08d}_{panorama.meta.get('name', '')}")
            except InputError as error:
                here.append((number, str(error)))
                skipped.append((number, str(error)))
                continue
            if writer.number > before:
                shards.append(writer.path(before))
                samples += pending
                start, here = number, []
            if on_sample is not None:
                on_sample(number)
        writer.about = {**job, "start": start, "stop": len(source), "skipped": here}
        samples += writer.pending
        if (last := writer.close()) is not None:
            shards.append(last)
    if not shards:
        first = skipped[0][1] if skipped else "it is empty"
        raise InputError(f"{source.name}: none of {len(source)} samples can be used: {first}")
    return Written(shards, samples, skipped)


def _complete(
    writer: ShardWriter, job: dict[str, Any]
) -> tuple[list[Path], int, int, list[tuple[int, str]]]:
    """What an earlier run has left: its complete shards, how many samples of the source they cover,
    how many they hold, and those that were skipped.

    Moves the writer behind them. A shard whose index is missing or does not fit is written anew.
    """
    shards: list[Path] = []
    done, samples, skipped = 0, 0, list[tuple[int, str]]()
    while index_path(tar := writer.path(writer.number)).is_file():
        try:
            index = read_index(tar)
        except InputError:
            break
        about = index.about
        if {key: about.get(key) for key in job} != job or about.get("start") != done:
            raise OutputError(
                f"{tar}: written from another source or with other settings; choose another folder"
            )
        shards.append(tar)
        done, samples = about["stop"], samples + len(index)
        skipped += [(int(number), str(error)) for number, error in about["skipped"]]
        writer.number += 1
    return shards, done, samples, skipped
