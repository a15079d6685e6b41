"""What the results of a clip are called."""

from pathlib import Path


def name_of(clip: Path) -> str:
    """After the file, without its ending, or the folder of pictures."""
    return (clip.resolve().name or "video") if clip.is_dir() else clip.stem
