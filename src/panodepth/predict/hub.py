"""Weights from the Hugging Face hub; its library is imported here alone, when one is asked for."""

from __future__ import annotations

from pathlib import Path

from panodepth.errors import ModelError, first_line, one_line

HUB_FILES = ["*.safetensors", "config.json"]


def download(repo: str) -> Path:
    """Return the local folder of a hub repository's weights: the cache's, else fetched now.

    The hub library is imported here alone; it shows the progress bar. Raises ModelError, offline
    and uncached too.
    """
    folder = _cached(repo) or fetch(repo, HUB_FILES)
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{repo} on the hub has no .safetensors file; pickled weights are refused")
    return folder


def fetch(repo: str, patterns: list[str], revision: str = "") -> Path:
    """The local folder of those files of a hub repository. Raises ModelError."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repo, revision=revision or None, allow_patterns=patterns))
    except Exception as error:  # whatever the hub's HTTP library raises when the network is down
        raise ModelError(refusal(repo, error, revision)) from error


def refusal(repo: str, error: Exception, revision: str = "") -> str:
    """Why the hub does not give a repository, and what to do, in one line."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return (
            f"{repo} is gated: accept its licence at https://huggingface.co/{repo}, then run "
            "`hf auth login`, or name a folder with the weights"
        )
    if isinstance(error, errors.RepositoryNotFoundError | errors.RevisionNotFoundError):
        at = f" at revision {revision}" if revision else ""
        return f"{repo}{at}: not on the hub, or private (then run `hf auth login` first)"
    reason = one_line(first_line(error).removeprefix("Got: "), 200)
    folder = repo.partition("/")[2]
    return (
        f"{repo} is not in the local cache and cannot be downloaded ({reason}): where there is "
        f"internet run `hf download {repo} --local-dir {folder}`, copy that folder here, and name "
        "a folder with the weights"
    )


def _cached(repo: str) -> Path | None:
    """The newest complete snapshot of `repo` in the local cache, without asking the network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(repo, allow_patterns=HUB_FILES, local_files_only=True)
    except (LocalEntryNotFoundError, ValueError):
        return None
    return Path(folder) if any(Path(folder).glob("*.safetensors")) else None
