"""The demo's page, in Gradio; all it does is done in `demo`, `files` and `fragments`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

import gradio as gr
from fastapi import FastAPI

from panodepth.app.demo import Demo, Row, sentence
from panodepth.app.files import shown
from panodepth.app.fragments import downloads_html, problem_html, rows_html, viewer_html
from panodepth.app.results import Result
from panodepth.app.shipped import examples
from panodepth.errors import PanodepthError
from panodepth.predict.options import LEVEL_PASSES, QUALITIES, SKY_MODES, PredictOptions

TITLE = "panodepth: distance of every pixel of a 360° photograph"
FONTS = ("system-ui", "sans-serif")  # of the visitor's machine: none is fetched
SWEEP_SECONDS = 60  # how often Gradio looks for uploads that are too old
CSS = """
.viewer { width: 100%; height: 70vh; border: 0; border-radius: 8px; }
.place { display: grid; place-items: center; }
.place > * { grid-area: 1 / 1; }
.rows, .downloads { list-style: none; padding: 0; margin: 0; }
.rows .failed, .problem { color: #b3261e; }
.dark .rows .failed, .dark .problem { color: #ff8a80; }
.rows i { opacity: 0.6; font-size: 0.9em; }
.downloads { columns: 16em; margin-top: 0.6em; }
.downloads small { opacity: 0.7; }
"""


def with_page(app: FastAPI, demo: Demo) -> FastAPI:
    """The results' application (`server.make_app`) with the page on top, at its root."""
    age = demo.options.kept_minutes * 60
    with gr.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(SWEEP_SECONDS, round(age) + 1)
    ) as page:
        _fill(demo)

        def left(request: gr.Request) -> None:
            demo.results.forget(str(request.session_hash))

        page.unload(left)
    page.queue(api_open=False, default_concurrency_limit=demo.options.queue + 4)
    return gr.mount_gradio_app(  # type: ignore[no-any-return]
        app,
        page,
        path="/",
        footer_links=[],
        ssr_mode=False,
        enable_monitoring=False,
        show_error=False,
        # well above what `demo` takes, whose sentence is clearer
        max_file_size=f"{max(1, round(2 * demo.options.max_megabytes))}mb",
        favicon_path=str(files("panodepth.app").joinpath("site/icon.svg")),
        theme=gr.themes.Base(font=FONTS, font_mono=("monospace",)),
        css=CSS,
    )


def _fill(demo: Demo) -> None:
    """Put everything on the page and say what each click does."""
    gr.Markdown(f"## {TITLE}")
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            pictures = gr.File(file_count="multiple", label="360° photographs (2:1)", height=200)
            height = gr.Number(0, label="Camera height [m]; 0: unknown")
            with gr.Accordion("More", open=False):
                choices = [
                    gr.Radio(list(LEVEL_PASSES), value="auto", label="Turn upright"),
                    gr.Radio(list(SKY_MODES), value="auto", label="Sky"),
                    gr.Radio(list(QUALITIES), value=PredictOptions().quality, label="Quality"),
                ]
            models = demo.models
            model = gr.Dropdown(
                models, value=models[0], label="Model", visible=len(models) > 1, filterable=False
            )
            go = gr.Button("Predict", variant="primary", elem_id="predict")
            status = gr.HTML(elem_id="status")
            buttons = [(gr.Button(f"Example: {file.stem}"), str(file)) for file in examples()]
        with gr.Column(scale=3):
            chosen = gr.Radio([], label="Results", visible=False, elem_id="results")
            with gr.Tab("Distance"):
                slider = gr.ImageSlider(
                    format="jpeg", show_label=False, interactive=False, buttons=[], elem_id="slider"
                )
            with gr.Tab("In 3D"):
                viewer = gr.HTML(elem_id="viewer")
            with gr.Tab("Files"):
                downloads = gr.HTML(elem_id="downloads")
    shows = [slider, viewer, downloads]
    settings = [model, height, *choices]
    outputs = [status, chosen, *shows]
    private = {"api_visibility": "private", "show_progress": "hidden"}
    run = _runner(demo)
    go.click(run, [pictures, *settings], outputs, **private)
    for button, file in buttons:
        button.click(run, [gr.State([file]), *settings], outputs, **private)
    chosen.input(lambda token: _views(demo, token), chosen, shows, **private)


def _runner(demo: Demo) -> Any:
    """What a click on Predict does: status, choice of results, and what is shown, step by step."""

    def run(
        pictures: Sequence[str] | None,
        model: str,
        height: float | None,
        level: str,
        sky: str,
        quality: str,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:
        nothing = (gr.skip(), gr.skip(), gr.skip(), gr.skip())
        seen: str | None = None
        try:
            options = PredictOptions(
                camera_height=height or None, level=level, sky=sky, quality=quality
            )
            for rows in demo.run(str(request.session_hash), pictures or [], model, options):
                done = [row.result for row in rows if row.result]
                if not done or done[-1].token == seen:
                    yield (rows_html(rows), *nothing)
                    continue
                seen = done[-1].token
                yield (rows_html(rows), _choice(rows, seen), *_views(demo, seen))
        except Exception as error:
            yield (problem_html(sentence(error)), *nothing)

    return run


def _choice(rows: Sequence[Row], token: str) -> Any:
    """The results there are, to choose from where they are several."""
    there = [row.result for row in rows if row.result]
    names = [(result.name, result.token) for result in there]
    return gr.Radio(names, value=token, visible=len(names) > 1)


def _views(demo: Demo, token: str) -> tuple[Any, ...]:
    """Slider, viewer and downloads of a result; why not, where it is no longer kept."""
    try:
        result: Result = demo.results.get(token)
    except PanodepthError as error:
        text = problem_html(sentence(error))
        return None, text, text
    return shown(result), viewer_html(result), downloads_html(result)
