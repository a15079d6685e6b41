"""The demo on a hosted Space: many visitors, two slow cores, little memory."""

from __future__ import annotations

import os

from panodepth.cli import main

ARGUMENTS = [
    "app",
    *("--host", os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0")),
    *("--port", os.environ.get("GRADIO_SERVER_PORT", "7860")),
    *("--queue", "8", "--pictures", "4", "--max-megabytes", "32"),
    *("--kept-minutes", "10", "--kept-megabytes", "1000"),
]

if __name__ == "__main__":
    raise SystemExit(main(ARGUMENTS))
