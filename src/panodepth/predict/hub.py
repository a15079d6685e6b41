"""Weights from the Hugging Face hub; its library is imported here alone, when one is asked for."""

from __future__ import annotations

from pathlib import Path

from panodepth.errors import ModelError, first_line

HUB_FILES = ["*.safetensors", "config.json"]


def download(repo: str) -> Path:
    """Return the local folder of a hub repository's weights: the cache's, else fetched now.

    The hub library is imported here alone; it shows the progress bar. Raises ModelError, offline
    and uncached too.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    cached = _cached(repo)
    if cached is not None:
        return cached
    try:
        folder = Path(snapshot_download(repo, allow_patterns=HUB_FILES))
    except GatedRepoError:
        raise ModelError(f"{repo} on the hub asks for a login first: run `hf auth login`") from None
    except RepositoryNotFoundError:
        raise ModelError(f"the hub has no model {repo!r}, or it is private") from None
    except Exception as error:  # whatever the hub's HTTP library raises when the network is down
        fetch = f"hf download {repo} --local-dir {repo.partition('/')[2]}"
        raise ModelError(
            f"{repo} is not in the local cache and cannot be fetched ({first_line(error)}): where "
            f"there is internet run `{fetch}`, copy that folder here and give it as the model"
        ) from error
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{repo} on the hub has no .safetensors file; pickled weights are refused")
    return folder


def _cached(repo: str) -> Path | None:
    """The newest complete snapshot of `repo` in the local cache, without asking the network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(repo, allow_patterns=HUB_FILES, local_files_only=True)
    except (LocalEntryNotFoundError, ValueError):
        return None
    return Path(folder) if any(Path(folder).glob("*.safetensors")) else None
