"""Ctrl-C and SIGTERM, taken between two steps: in the middle of one the weights and the counters would disagree."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether someone has asked the block to stop; a second request stops it at once.

    Signals reach the main thread alone: elsewhere nothing is caught, and the function stays False.
    """
    asked = False
    before: dict[int, object] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt(signal.strsignal(number), frame and frame.f_lineno)
        asked = True

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal itself returned
