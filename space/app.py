"""The demo on a hosted Space: many visitors, two slow cores, little memory."""

from __future__ import annotations

import os

from panodepth.app.options import AppOptions
from panodepth.app.start import start

OPTIONS = AppOptions(
    host=os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0"),
    port=int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
    queue=8,
    pictures=4,
    max_megabytes=32,
    kept_minutes=10,
    kept_megabytes=1000,
)

if __name__ == "__main__":
    start(OPTIONS)
