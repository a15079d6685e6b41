"""What is measured on: datasets as the command line names them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from panodepth.errors import ConfigError
from panodepth.lab.data import MATTERPORT3D, SOURCES, STANFORD2D3D, PanoramaSource, open_source
from panodepth.lab.data.registry import kind_of
from panodepth.lab.data.source import named_path
from panodepth.lab.evaluation.protocol import FIT_SIDE, FIT_SIDES, VALIDATION_SEED, Protocol
from panodepth.lab.evaluation.worlds import KINDS, WorldSource
from panodepth.types import Panorama

RELEASED = {"stanford2d3d": STANFORD2D3D, "matterport3d": MATTERPORT3D}


@dataclass(frozen=True)
class Part:
    """Some samples of a source. indices: their numbers in it."""

    source: PanoramaSource
    indices: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.source.name

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Panorama:
        return self.source[self.indices[index]]


@dataclass(frozen=True)
class Dataset:
    """Samples under one name in the report.

    kind: a key of `panodepth.lab.data.SOURCES`. path, split: as given.
    """

    name: str
    kind: str
    path: str
    split: str | None
    source: PanoramaSource

    @property
    def fit_side(self) -> int:
        """Longest side [px] of the copy that least squares fit on, DA² release."""
        return FIT_SIDES.get(self.kind, FIT_SIDE)

    def sample_name(self, index: int) -> str:
        """A sample's name without decoding it; "#0", "#1", ... where the source has no names."""
        whole, index = self._whole(index)
        if (named := getattr(whole, "sample_name", None)) is not None:
            return str(named(index))
        pairs = getattr(whole, "pairs", None)
        return f"#{index}" if pairs is None else str(pairs[index].name)

    def stamp(self, index: int) -> str:
        """A digest of a sample's files; "" where the source does not keep any, as worlds do."""
        whole, index = self._whole(index)
        found = getattr(whole, "stamp", None)
        return "" if found is None else str(found(index))

    def _whole(self, index: int) -> tuple[PanoramaSource, int]:
        """The source that a sample comes from, and its number there."""
        if isinstance(self.source, Part):
            return self.source.source, self.source.indices[index]
        return self.source, index

    def describe(self) -> dict[str, str | None]:
        """Plain values that say which samples these are."""
        return {"name": self.name, "kind": self.kind, "path": self.path, "split": self.split}


def open_datasets(
    texts: Sequence[str], protocol: Protocol, splits: Iterable[str] = ()
) -> list[Dataset]:
    """Datasets from `[KIND:]NAME=DIR`, or DIR for a plain folder that takes the folder's name.

    A NAME that is a kind (stanford2d3d, matterport3d, panosuncg, structured3d, shards, ...) is read
    as such, any other as what lies there (`kind_of`). splits: `NAME=FILE` lists of samples.
    Raises ConfigError when a name is given twice or not at all, or nothing is found.
    """
    lists = _split_files(splits)
    datasets = []
    for text in texts:
        left, path = named_path(text)
        kind, _, name = (left or "").rpartition(":")
        name = name or Path(path).expanduser().resolve().name
        if left == "":
            raise ConfigError(f"--data {text!r}: no name before =")
        if not kind:
            kind = name if left and name in SOURCES else kind_of(path)
        split = lists.pop(name, None)
        source = _open(kind, path, split, protocol)
        if not len(source):
            raise ConfigError(f"{path}: no sample in it")
        list_file = None if split is None else str(split)
        datasets.append(Dataset(name, kind, path, list_file, source))
    names = [dataset.name for dataset in datasets]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"--data: two datasets are called {name!r}; name them, e.g. a=DIR")
    if lists:
        raise ConfigError(f"--split {next(iter(lists))}=...: no dataset of that name is given")
    return datasets


def rendered_datasets(
    count: int, size: tuple[int, int], seed: int = VALIDATION_SEED, version: int = 1
) -> list[Dataset]:
    """`count` worlds of a version, half of them indoor, as two datasets.

    size: (H, W), W = 2H. Raises ConfigError for fewer than two, or another version.
    """
    from panodepth.lab.worlds.priors import STATES, Priors

    if version not in STATES:
        raise ConfigError(f"there is no version {version} of the worlds, only 1 and 2")
    if count < 2 or size[1] != 2 * size[0]:
        raise ConfigError(f"{count} rendered worlds at {size[0]}x{size[1]}: from 2 on, W = 2H")
    about = f"{count // 2} worlds of seed {seed} at {size[0]}x{size[1]}"
    prefix, priors = "rendered", None
    if version > 1:
        about, prefix = f"{about}, version {version}", f"rendered v{version}"
        priors = Priors(version=version)
    sources = [WorldSource(kind, count // 2, size, seed, priors) for kind in KINDS]
    return [Dataset(f"{prefix} {s.kind}", "rendered", about, None, s) for s in sources]


def split_groups(datasets: Iterable[Dataset], texts: Sequence[str]) -> list[Dataset]:
    """Each dataset as one for each group that has samples; without groups as it is.

    texts: `NAME=PATTERN` of the last parts of samples' names, such as "indoor=a*"; a sample is of
    the first that fits, or "other". Raises ConfigError for a text of another form.
    """
    groups = [text.partition("=")[::2] for text in texts]
    if bad := [text for text, group in zip(texts, groups, strict=True) if not all(group)]:
        raise ConfigError(f"--group {bad[0]!r} is not NAME=PATTERN, e.g. indoor=a*")
    if not groups:
        return list(datasets)
    made = []
    for dataset in datasets:
        members: dict[str, list[int]] = {group: [] for group, _ in [*groups, ("other", "*")]}
        for index in range(len(dataset.source)):
            name = Path(dataset.sample_name(index)).name
            fits = (group for group, pattern in groups if fnmatch(name, pattern))
            members[next(fits, "other")].append(index)
        for group, chosen in members.items():
            if chosen:
                part = Part(dataset.source, tuple(chosen))
                made.append(replace(dataset, name=f"{dataset.name} {group}", source=part))
    return made


def _split_files(splits: Iterable[str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for text in splits:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise ConfigError(f"--split {text!r} is not NAME=FILE")
        files[name] = Path(path)
    return files


def _open(kind: str, path: str, split: Path | None, protocol: Protocol) -> PanoramaSource:
    if protocol.released_units and kind in RELEASED:
        return RELEASED[kind].open(path, split, released_units=True)
    return open_source(kind, path, split=split)
