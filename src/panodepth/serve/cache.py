"""Results kept in memory, the ones used last, up to a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple


class Answer(NamedTuple):
    """content: a whole file. media: its MIME type. name: what to save it as."""

    content: bytes
    media: str
    name: str


class AnswerCache:
    """Answers by key; several threads may use it at once."""

    def __init__(self, limit: int) -> None:
        """limit: of all contents together [bytes]."""
        self.limit, self.used = limit, 0
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Answer | None:
        """The answer, which is then the newest; None if there is none."""
        with self._lock:
            found = self._answers.get(key)
            if found is not None:
                self._answers.move_to_end(key)
            return found

    def put(self, key: str, answer: Answer) -> None:
        """Keep it, unless it is above the limit, and forget what was not asked for the longest."""
        size = len(answer.content)
        if size > self.limit:
            return
        with self._lock:
            old = self._answers.pop(key, None)
            self.used += size - (0 if old is None else len(old.content))
            self._answers[key] = answer
            while self.used > self.limit:
                self.used -= len(self._answers.popitem(last=False)[1].content)
