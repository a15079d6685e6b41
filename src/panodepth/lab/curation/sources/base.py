"""What every source of perspective frames gives, and what its readers share."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from panodepth.errors import ConfigError, InputError, one_line
from panodepth.geometry.lens import Pinhole
from panodepth.images import read_image, read_stored
from panodepth.lab.curation.frame import UNREADABLE, Frame, Matrix, RejectedError, SourceGoneError
from panodepth.lab.data.source import check_folder
from panodepth.types import ByteArray, FloatArray

# What a system says of a disk that fails or a server that is away, not of a file.
DISK_ERRORS = {
    getattr(errno, name)
    for name in (
        *("EIO", "ESTALE", "ENOTCONN", "ENODEV", "ENXIO", "EREMOTEIO", "ETIMEDOUT", "EHOSTDOWN"),
        *("EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "ECONNRESET", "ECONNABORTED", "ESHUTDOWN"),
    )
    if hasattr(errno, name)
}


class FrameSource(Protocol):
    """Frames by number, in an order that does not change; can be sent to another process."""

    @property
    def name(self) -> str:
        """What the source is called in provenance."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Frame:
        """Raises RejectedError when this frame cannot be used; others may still be fine.

        SourceGoneError when the disk fails or is gone: then nothing can be said of any frame.
        """
        ...

    def label(self, index: int) -> tuple[str, str]:
        """(name, group) of frame `index`, known without reading it."""
        ...


class Item(NamedTuple):
    """Where one frame lies. picture: its file, relative to the source's folder; extra: whatever
    else the source's reader needs; seen: its files that were there when the source was opened."""

    name: str
    picture: str
    group: str = ""
    extra: str = ""
    seen: tuple[str, ...] = ()

    def frame(
        self, image: ByteArray, z_depth: FloatArray | None, lens: Pinhole, **more: Any
    ) -> Frame:
        """The frame with this item's name, group and picture.

        image: (h, w, 3). z_depth: (h, w) or None. more: other fields of `Frame`.
        """
        meta = {"image": self.picture, **more.pop("meta", {})}
        return Frame(self.name, image, z_depth, lens, group=self.group, meta=meta, **more)


Read = Callable[[Path, Item], Frame]


@dataclass(frozen=True)
class ListedFrames:
    """A source over a list of files.

    read: a function of a module, so that the source can be sent to worker processes; gets the
    source's folder and an item.
    """

    name: str
    root: Path
    items: Sequence[Item]
    read: Read

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Frame:
        if not 0 <= index < len(self.items):
            raise IndexError(f"{self.name} has {len(self.items)} frames, not {index + 1}")
        item = self.items[index]
        try:
            frame = self.read(self.root, item)
        except MemoryError:
            raise
        except Exception as error:  # what lies in annotations may be anything
            self._check_disk(item, error)
            if isinstance(error, RejectedError):
                raise
            text = f"{item.name}: {type(error).__name__}: {one_line(error, 300)}"
            told = str(error) if isinstance(error, InputError) else text
            raise RejectedError(UNREADABLE, told) from error
        if frame.z_depth is not None and frame.z_depth.shape != frame.size:
            (h, w), (height, width) = frame.z_depth.shape, frame.size
            told = f"depth is {w}x{h}, the picture {width}x{height}"
            on_its_side = abs(h * height - w * width) <= 0.02 * w * width
            if on_its_side and w != h:  # of a phone held upright the depth has the sensor's rows
                told += ": one of them lies on its side, turn the depth as the picture is"
            raise RejectedError("size", told)
        return frame

    def label(self, index: int) -> tuple[str, str]:
        return self.items[index].name, self.items[index].group

    def _check_disk(self, item: Item, error: BaseException | None) -> None:
        """Raise SourceGoneError when `error` may come of the disk rather than of the frame."""
        seen = [self.root / file for file in item.seen]
        gone = next((path for path in (self.root, *seen) if not os.path.exists(path)), None)
        reason, met = "it is gone", set[int]()
        while error is not None and gone is None and id(error) not in met:  # causes may go round
            met.add(id(error))
            if isinstance(error, OSError):
                named = Path(str(error.filename)) if error.filename else self.root
                if error.errno in DISK_ERRORS or (error.errno == errno.ENOENT and named in seen):
                    gone, reason = named, str(error.strerror)
            error = error.__cause__ or error.__context__
        if gone is not None:
            raise SourceGoneError(
                f"{gone}: was there when it was listed, now {reason}; nothing was recorded of "
                f"{item.name}: the same command goes on when the disk is back"
            ) from error


def listed(
    name: str, root: Path, items: Iterable[Item], read: Read, looked_for: str
) -> ListedFrames:
    """A `ListedFrames`. Raises ConfigError when nothing was found, saying what was looked for."""
    items = list(items)
    if not items:
        raise ConfigError(f"{root}: no frame of {name} in it; looked for {looked_for}")
    return ListedFrames(name, root, items, read)


@dataclass(frozen=True)
class Tree:
    """How a public set lies on disk.

    pictures: glob of its pictures. frame_name: a picture's path, relative to the folder, to the
    frame's name; "" = not a frame. looked_for: what users should see.
    """

    name: str
    pictures: str
    frame_name: Callable[[Path], str]
    read: Read
    looked_for: str

    def open(self, path: str | Path) -> ListedFrames:
        """The set in a folder. Raises ConfigError when there is none."""
        root = check_folder(path, "frames")
        found = (picture.relative_to(root) for picture in sorted(root.glob(self.pictures)))
        named = ((self.frame_name(picture), picture) for picture in found)
        items = [
            Item(name, picture.as_posix(), seen=(picture.as_posix(),))
            for name, picture in named
            if name and not picture.name.startswith(".")
        ]
        return listed(self.name, root, items, self.read, self.looked_for)


def below(root: Path, path: Path) -> str:
    """A path relative to the source's folder, with forward slashes."""
    return path.relative_to(root).as_posix()


def read_picture(path: Path) -> ByteArray:
    """(h, w, 3) uint8. Raises InputError."""
    return read_image(path).to_uint8()


def read_whole_numbers(path: Path) -> npt.NDArray[np.uint16]:
    """(h, w) uint16 of a grey 16-bit PNG. Raises InputError."""
    values = read_stored(path).pixels
    if values.ndim != 2 or values.dtype != np.uint16:
        raise InputError(f"{path}: expected 16-bit grey, found {values.dtype} {values.shape}")
    return values


def require_file(path: Path, root: Path) -> Path:
    """The path of a file with intrinsics. Raises RejectedError when it is not there."""
    if not path.is_file():
        raise RejectedError("intrinsics", f"no {below(root, path)}")
    return path


def pose_from_world_to_camera(world_to_camera: Matrix) -> Matrix:
    """(4, 4) camera to world; a left-handed world has its y axis turned round."""
    pose: Matrix = np.linalg.inv(world_to_camera).astype(np.float64)
    if np.linalg.det(pose[:3, :3]) < 0:
        pose = np.diag([1.0, -1.0, 1.0, 1.0]) @ pose
    return check_pose(pose)


def check_pose(given: Any) -> Matrix:
    """The pose (4, 4) in float64. Raises RejectedError unless it is a rotation and a place.

    given: an array, or what a JSON file says.
    """
    try:
        pose = np.array(given, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise RejectedError("lying_intrinsics", "the pose is not 4 rows of 4 numbers") from None
    rotation = pose[:3, :3] if pose.ndim == 2 else pose
    if (
        pose.shape != (4, 4)
        or not np.isfinite(pose).all()
        or np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-2
        or np.linalg.det(rotation) < 0
    ):
        raise RejectedError("lying_intrinsics", "the pose is not a rotation and a place")
    return pose
