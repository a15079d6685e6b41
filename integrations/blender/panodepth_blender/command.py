"""panodepth as a program beside Blender: where it is, what it is asked for, what came out.

Blender's Python has none of what panodepth needs, so that it runs in an environment of its own.
Nothing here needs Blender.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "panodepth"
WINDOWS = os.name == "nt"
# Where installers put programs; one that is started from a desktop often has none of them on PATH.
USUAL = ("~/.local/bin", "/opt/homebrew/bin", "/usr/local/bin")
LENS = ("--projection", "--fov", "--top", "--bottom", "--camera", "--stereo", "--rig")
INSTALL = "install panodepth (pip install), and say where it is in the add-on's preferences"


class RunError(Exception):
    """panodepth could not be run, or made nothing; the text is for the user."""


@dataclass(frozen=True)
class Request:
    """What is asked for one picture.

    metres: "learned" (estimated), "height" (by camera_height, [m]) or "none".
    faces: triangles of the mesh; 0 = panodepth's choice. behind: how far surfaces continue behind
        nearer ones, a guess [deg]; 0 = not at all. more: further options of
        `panodepth predict`, as they are typed.
    """

    picture: str
    quality: str = "best"
    metres: str = "learned"
    camera_height: float = 1.6
    faces: int = 0
    behind: float = 0.0
    more: str = ""

    @property
    def through_lens(self) -> bool:
        """Whether further options say that the picture is no panorama as it lies."""
        return any(word.partition("=")[0] in LENS for word in self.more.split())

    def arguments(self, out: str) -> list[str]:
        """Of `panodepth`, for a mesh in the folder `out`.

        Raises RunError for an open quotation, and where no file was chosen.
        """
        if not self.picture or os.path.isdir(self.picture):
            raise RunError(f"choose a picture: {self.picture or 'nothing'} is none")
        given = ["predict", self.picture, "--out", out, "--json", "--format", "glb"]
        given += ["--quality", self.quality]
        if self.metres == "learned":
            given += ["--scale", "learned"]
        elif self.metres == "height":
            given += ["--camera-height", f"{self.camera_height:g}"]
        if self.faces:
            given += ["--faces", str(self.faces)]
        if self.behind:
            given += ["--behind", f"{self.behind:g}"]
        words = shlex.shlex(self.more, posix=True, punctuation_chars=False)
        words.whitespace_split, words.commenters = True, ""
        words.escape = "" if WINDOWS else words.escape  # there it parts folders
        try:
            return given + list(words)
        except ValueError as error:
            raise RunError(f"more options {self.more!r}: {error}") from None


def program(told: str = "") -> list[str]:
    """How panodepth is started. Raises RunError where it is not found.

    told: the program, a Python that has it, or the folder of its environment; "" = looked for on
        PATH and in `USUAL`.
    """
    if not told.strip():
        folders = [os.environ.get("PATH", os.defpath), *map(os.path.expanduser, USUAL)]
        found = shutil.which(NAME, path=os.pathsep.join(folders))
        if found is None:
            raise RunError(f"no program {NAME} is on PATH: {INSTALL}")
        return [found]
    path = Path(told.strip()).expanduser()
    for place in (path, path / "bin", path / "Scripts"):
        found = shutil.which(NAME, path=str(place))
        if found is not None:
            return [found]
    if path.is_dir() or shutil.which(str(path)) is None:
        raise RunError(f"no program {NAME} at {told}: {INSTALL}")
    return [str(path), "-m", NAME] if path.stem.lower().startswith("python") else [str(path)]


class Run:
    """One run of panodepth, which goes on beside Blender. A context manager: it leaves nothing."""

    def __init__(self, request: Request, told: str = "") -> None:
        """told: as `program`'s. Raises RunError where it cannot start."""
        self._folder = tempfile.TemporaryDirectory(prefix="panodepth-", ignore_cleanup_errors=True)
        self._said, self._errors = (Path(self._folder.name, n) for n in ("out.json", "errors"))
        try:
            command = program(told) + request.arguments(str(Path(self._folder.name, "out")))
            with self._said.open("wb") as said, self._errors.open("wb") as errors:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=errors,
                    env=environment(),
                    creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                )
        except OSError as error:
            self._folder.cleanup()
            raise RunError(f"cannot start {told or NAME}: {error.strerror or error}") from None
        except RunError:
            self._folder.cleanup()
            raise

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait(self) -> None:
        self._process.wait()

    def close(self) -> None:
        """Stop it if it still runs, and remove its files."""
        if not self.ended():
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._folder.cleanup()

    def result(self) -> tuple[str, dict[str, Any]]:
        """The mesh's file and what is known of it (`unit`, `metres_by`, ...), once it has ended.

        The file lives until `close`. Where there is none, raises RunError with panodepth's words.
        """
        try:
            told = json.loads(self._said.read_text("utf-8"))
            found, *others = told["results"]
        except (OSError, ValueError, LookupError, TypeError):
            raise RunError(self._last_words()) from None
        if others:
            raise RunError(f"{1 + len(others)} pictures are too many: more options name some")
        if not found["files"]:
            raise RunError(found["error"] or self._last_words())
        return found["files"][0], found["facts"]

    def _last_words(self) -> str:
        lines = self._errors.read_text("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        if not said:
            return f"panodepth ended with {self._process.returncode}"
        return said[-1].removeprefix("error: ")


def environment() -> dict[str, str]:
    """That of Blender, without what is meant for its own Python."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")}
    return kept | {"PYTHONIOENCODING": "utf-8"} if WINDOWS else kept
