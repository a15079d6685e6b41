"""Which clips there are, and whether their results may be written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from panodepth.errors import InputError
from panodepth.images import IMAGE_SUFFIXES
from panodepth.predict.folder.frames import frames_of
from panodepth.predict.folder.inputs import key_of
from panodepth.predict.folder.outputs import check_name, check_output_folder, not_ours
from panodepth.video.names import name_of
from panodepth.video.options import VideoOptions
from panodepth.video.run import frames_path, written
from panodepth.video.streams import is_ours, stream_path

LINE, SHOT = '{"number": 1, "frame": ', "# a shot; "  # how files of text begin
SUFFIXES = (  # of the videos that a folder is searched for; a file that is named may end otherwise
    *(".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg"),
    *(".wmv", ".flv", ".ogv", ".3gp", ".mxf", ".insv", ".360"),
)


def find_clips(inputs: Sequence[str]) -> list[Path]:
    """Video files and folders of pictures, in turn; a folder of videos stands for each of them.

    Videos that panodepth wrote are left out of folders. Raises InputError where one is missing, is
    a picture, or two would be called the same.
    """
    clips: list[Path] = []
    for text in inputs:
        path = Path(os.path.expanduser(text))
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if not file.name.startswith("."))
            videos = [f for f in inside if f.suffix.lower() in SUFFIXES and f.is_file()]
            if not videos and not frames_of(path):
                raise InputError(f"{text}: no video and no picture in this folder")
            others = [file for file in videos if not is_ours(file)]
            if videos and not others:
                raise InputError(f"{text}: no video in this folder but results of panodepth")
            clips += others or [path]
        elif not path.is_file():
            address = "://" in text
            why = "an address, not a file: download it first" if address else "no such file"
            raise InputError(f"no video found: {text} ({why})")
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            raise InputError(f"{text}: a picture, not a video: panodepth predict takes it")
        else:
            clips.append(path)
    owners: dict[str, Path] = {}
    for clip in dict.fromkeys(clips):
        owner = owners.setdefault(key_of(Path(name_of(clip))), clip)
        if owner is not clip:
            raise InputError(f"{owner} and {clip} would be called the same: rename one of them")
    return list(owners.values())


def is_complete(clip: Path, options: VideoOptions) -> bool:
    """Whether all that a clip becomes is there."""
    return all(path.exists() for path in written(options, name_of(clip)))


def check_free(clips: Sequence[Path], options: VideoOptions) -> None:
    """Raise OutputError where a result cannot be written, or would take the place of what panodepth
    did not write.
    """
    for clip in clips:
        name = name_of(clip)
        texts = {frames_path(options.out, name): LINE, stream_path(options.out, name, "path"): SHOT}
        for path in written(options, name):
            check_name(path, check_output_folder(options.out))
            ours = _begins(path, texts[path]) if path in texts else path.is_dir() or is_ours(path)
            if os.path.lexists(path) and not ours:
                raise not_ours(path)


def _begins(path: Path, words: str) -> bool:
    """Whether a file begins with these words."""
    try:
        with path.open("rb") as file:
            return file.read(len(words)) == words.encode()
    except OSError:
        return False
