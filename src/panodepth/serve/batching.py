"""One thread that runs the network on what waits, together where sizes allow."""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future

from panodepth.errors import is_out_of_memory
from panodepth.predict.predictor import Predictor
from panodepth.predict.request import RawOutput
from panodepth.size import Size
from panodepth.types import FloatArray

Waiting = tuple[FloatArray, "Future[RawOutput]"]


class Batcher:
    """Pictures of different requests in one pass of the network.

    It never waits for a batch to fill: what came while the last one ran is the next.
    """

    def __init__(self, predictor: Predictor, on_batch: Callable[[int], None] | None = None) -> None:
        """on_batch: called with the size of each batch, in the network's thread."""
        self.predictor, self._on_batch = predictor, on_batch
        self._best: dict[Size, int] = {}
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="network", daemon=True)
        self._thread.start()

    def submit(self, pixels: FloatArray) -> Future[RawOutput]:
        """The network's output for a picture (3, h, w) in [0, 1]; its error where it failed."""
        future: Future[RawOutput] = Future()
        self._waiting.put((pixels, future))
        return future

    def close(self) -> None:
        """Finish what waits, then end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        rest: list[Waiting] = []
        ending = False
        while not (ending and not rest):
            if not rest:
                first = self._waiting.get()
                if first is None:
                    return
                rest.append(first)
            while not ending:
                try:
                    more = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    ending = True
                else:
                    rest.append(more)
            shape = rest[0][0].shape
            most = self._batch_size((shape[1], shape[2]))
            alike = [w for w in rest if w[0].shape == shape][:most]
            rest = [w for w in rest if all(w is not a for a in alike)]
            self._run([w for w in alike if w[1].set_running_or_notify_cancel()])

    def _batch_size(self, size: Size) -> int:
        """How many pictures of (h, w) to run at once; measured at the first of them alone."""
        if size not in self._best:
            try:
                self._best[size] = max(1, self.predictor.best_batch_size(size))
            except Exception:  # the run itself tells what is wrong
                return 1
        return self._best[size]

    def _run(self, batch: list[Waiting]) -> None:
        """Pictures of one shape; cancelled ones are gone by now.

        Where memory is not enough for several, each half is run by itself, and later batches are
        smaller.
        """
        if not batch:
            return
        middle = len(batch) // 2
        try:
            if self._on_batch is not None:
                self._on_batch(len(batch))
            outputs = self.predictor.run([pixels for pixels, _ in batch])
            if len(outputs) != len(batch):
                raise RuntimeError(f"{len(outputs)} results for {len(batch)} pictures")
        except BaseException as error:  # each of them says why; the thread goes on
            if not middle or not is_out_of_memory(error):
                for _, future in batch:
                    future.set_exception(error)
                return
            traceback.clear_frames(error.__traceback__)  # they hold memory the next try needs
        else:
            for (_, future), output in zip(batch, outputs, strict=True):
                future.set_result(output)
            return
        height, width = batch[0][0].shape[1:]
        self._best[height, width] = min(self._best[height, width], middle)
        for half in (batch[:middle], batch[middle:]):
            self._run(half)
