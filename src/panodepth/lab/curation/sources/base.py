"""What every source of perspective frames gives, and the reading that they share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from panodepth.errors import ConfigError, InputError
from panodepth.images import read_image, read_stored
from panodepth.lab.curation.frame import Frame, Matrix, Refused, Rejected
from panodepth.types import ByteArray, FloatArray

Item = tuple[str, ...]


class FrameSource(Protocol):
    """Frames by number, in an order that does not change; can be sent to another process."""

    @property
    def name(self) -> str:
        """What the source is called in provenance."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Frame | Rejected: ...

    def label(self, index: int) -> tuple[str, str]:
        """(name, group) of frame `index`, known without reading it."""
        ...


@dataclass(frozen=True)
class ListedFrames:
    """A source over a list of files.

    items: per frame its name, its group and whatever else `read` needs, relative to `root`.
    read: a function of a module, so that the source can be sent to worker processes.
    """

    name: str
    root: Path
    items: Sequence[Item]
    read: Callable[[Path, Item], Frame]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Frame | Rejected:
        """The frame, or why it cannot be used; only an index out of range raises."""
        if not 0 <= index < len(self.items):
            raise IndexError(f"{self.name} has {len(self.items)} frames, not {index + 1}")
        item = self.items[index]
        try:
            frame = self.read(self.root, item)
            if frame.depth is not None and frame.depth.shape != frame.size:
                found, size = frame.depth.shape, frame.size
                raise Refused(
                    "size", f"depth is {found[1]}x{found[0]}, the picture {size[1]}x{size[0]}"
                )
        except Refused as refused:
            return Rejected(refused.reason, refused.detail, item[0])
        except InputError as error:
            return Rejected("unreadable", str(error), item[0])
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            return Rejected("unreadable", f"{item[0]}: {type(error).__name__}: {reason}", item[0])
        return frame

    def label(self, index: int) -> tuple[str, str]:
        return self.items[index][0], self.items[index][1]


def listed(
    name: str,
    root: Path,
    items: Sequence[Item],
    read: Callable[[Path, Item], Frame],
    looked_for: str,
) -> ListedFrames:
    """A `ListedFrames`. Raises ConfigError when nothing was found, saying what was looked for."""
    if not items:
        raise ConfigError(f"{root}: no frame of {name} in it; looked for {looked_for}")
    return ListedFrames(name, root, items, read)


def check_root(path: str | Path) -> Path:
    """The folder as a path. Raises ConfigError when there is none."""
    root = Path(path).expanduser()
    if not root.is_dir():
        raise ConfigError(f"{root}: no such folder of frames")
    return root


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


def read_exr_plane(path: Path) -> FloatArray:
    """(h, w) of an EXR file with one plane of depth. Raises InputError."""
    from panodepth.lab.data.distances import DistanceFile

    return DistanceFile()(path).distance


def read_numpy(path: Path) -> npt.NDArray[Any]:
    """The array of an npy file. Raises InputError."""
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: damaged or unreadable ({error})") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises InputError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from error


def pose_from_world_to_camera(world_to_camera: Matrix) -> Matrix:
    """(4, 4) camera to world; a left-handed world has its y axis turned round."""
    pose: Matrix = np.linalg.inv(world_to_camera).astype(np.float64)
    if np.linalg.det(pose[:3, :3]) < 0:
        pose = np.diag([1.0, -1.0, 1.0, 1.0]) @ pose
    return check_pose(pose)


def check_pose(pose: Matrix) -> Matrix:
    """The pose (4, 4), or Refused unless its rotation is one."""
    turn = pose[:3, :3]
    if (
        pose.shape != (4, 4)
        or not np.isfinite(pose).all()
        or np.abs(turn @ turn.T - np.eye(3)).max() > 1e-2
        or np.linalg.det(turn) < 0
    ):
        raise Refused("lying_intrinsics", "the pose is not a rotation and a place")
    return pose.astype(np.float64)
