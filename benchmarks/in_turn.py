"""Two functions timed in turn on the same tasks, so that a busy machine slows both.

The times are the processor's, of all threads of this process: waiting for other processes does not
count.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

ROUNDS = 5


class InTurn(TypedDict):
    """What a method costs beside its library's own call.

    Attributes:
        milliseconds, own_milliseconds: medians over all tasks and rounds.
        ratio: the method's median by that of the own call.
    """

    milliseconds: float
    own_milliseconds: float
    ratio: float


def in_turn(
    method: Callable[..., Any], own_call: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]
) -> InTurn:
    """Time a method and its library's own call on each of the tasks, which are their arguments."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        for task in tasks:
            theirs.append(_seconds(own_call, task))
            ours.append(_seconds(method, task))
    return {
        "milliseconds": 1000 * statistics.median(ours),
        "own_milliseconds": 1000 * statistics.median(theirs),
        "ratio": statistics.median(ours) / statistics.median(theirs),
    }


def _seconds(call: Callable[..., Any], task: tuple[Any, ...]) -> float:
    start = time.process_time()
    call(*task)
    return time.process_time() - start
