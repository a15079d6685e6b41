"""The command `panodepth`: a thin shell, a file per sub-command."""

from panodepth.cli.shell import main

__all__ = ["main"]
