"""Predict many files into a folder; a bad file is reported and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from panodepth.export import output_paths
from panodepth.predict.folder.inputs import InputFile
from panodepth.predict.folder.options import RunOptions
from panodepth.predict.folder.pipeline import Pipeline
from panodepth.predict.folder.results import FileResult, OutOfSpaceError, failed
from panodepth.predict.predictor import Predictor


def is_complete(item: InputFile, options: RunOptions) -> bool:
    """True when every file that a run would write for `item` is there."""
    target = options.out / item.target
    paths = output_paths(target.parent, target.name, options.formats)
    return all(path.is_file() for files in paths.values() for path in files)


def predict_files(
    predictor: Predictor,
    items: Sequence[InputFile],
    options: RunOptions,
    on_result: Callable[[FileResult], None],
) -> list[FileResult]:
    """Predict and write every item; `on_result` is called with each result, in the items' order.

    Reading, network and writing of different items overlap (`pipeline`). Nothing that is wrong
    with one file stops the others, but a full disk ends the run: what is left is then failed too.
    """
    results: list[FileResult] = []

    def finish(result: FileResult) -> None:
        results.append(result)
        on_result(result)

    try:
        Pipeline(predictor, options, finish).run(items)
    except OutOfSpaceError as error:
        for item in items[len(results) :]:
            finish(failed(item, error))
    return results
