"""Work in threads of the command's own process."""

from __future__ import annotations

import threading

import pytest

from sysnoise.pipelines.beam.local_run import Threads, current_run, run_in_threads
from sysnoise.pipelines.workers.failures import Failure, FailureKind


def test_every_element_is_worked_on_once_by_all_threads() -> None:
    done: list[int] = []
    both = threading.Barrier(2)  # Where one thread did it all, the first wait would never end.

    def work(element: int) -> None:
        if element < 2:
            both.wait(timeout=60)
        done.append(element)

    assert run_in_threads(range(100), Threads(2), work) == []
    assert sorted(done) == list(range(100))


@pytest.mark.parametrize(("kind", "done"), [(FailureKind.SOURCE, 3), (FailureKind.MODEL, 1)])
def test_failures_are_returned_and_some_stop_the_run(kind: FailureKind, done: int) -> None:
    seen: list[int] = []

    def work(element: int) -> None:
        run = current_run()
        assert run is not None
        seen.append(element)
        run.fail(Failure(element, kind, "failed"))

    failures = run_in_threads(range(3), Threads(1), work)
    assert failures == [Failure(element, kind, "failed") for element in range(done)]
    assert seen == list(range(done))
    assert current_run() is None


@pytest.mark.parametrize("kind", [ZeroDivisionError, IndexError])
def test_an_error_that_no_one_reports_is_raised(kind: type[Exception]) -> None:
    def work(element: int) -> None:
        raise kind(element)

    with pytest.raises(kind, match="7"):
        run_in_threads([7], Threads(4), work)
