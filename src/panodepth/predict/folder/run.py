"""Predict many files into a folder; a bad file is reported and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from panodepth.errors import ModelError, one_line
from panodepth.predict.folder.inputs import InputFile
from panodepth.predict.folder.leftovers import remove_leftovers
from panodepth.predict.folder.options import RunOptions
from panodepth.predict.folder.outputs import if_still_there
from panodepth.predict.folder.pipeline import Pipeline
from panodepth.predict.folder.results import FileResult, RunEndedError, failed
from panodepth.predict.predictor import Predictor


def predict_files(
    predictor: Predictor,
    items: Sequence[InputFile],
    options: RunOptions,
    on_result: Callable[[FileResult], None],
) -> list[FileResult]:
    """Predict and write every item; `on_result` is called with each result, in the items' order.

    Reading, network and writing of different items overlap (`pipeline`). Nothing that is wrong
    with one file stops the others. A full disk, an output folder that is removed or a model that
    breaks its own rules ends the run: what is left is then failed too. Raises ModelError where that
    came before any result.
    """
    results: list[FileResult] = []

    def finish(result: FileResult) -> None:
        results.append(result)
        on_result(result)

    remove_leftovers({(options.out / item.target).parent for item in items})
    try:
        Pipeline(predictor, options, finish).run(items)
    except (RunEndedError, ModelError) as error:
        if isinstance(error, ModelError) and not results:
            raise
        for item in items[len(results) :]:
            finish(failed(item, RunEndedError(one_line(error))))
    return [if_still_there(result) for result in results]
