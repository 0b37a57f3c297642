"""The progress that a run shows."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable

import pytest

from sysnoise.pipelines.beam import progress
from sysnoise.pipelines.beam.local_run import Done, local_run
from sysnoise.pipelines.beam.progress import Work, progress_line, show_progress
from sysnoise.pipelines.errors import InputError
from tests.end_to_end.disturbed import wait_for
from tests.terminal import terminal_file, widest, written_lines

IMAGES = {"a": 10, "b": 8, "c": 2}


def work(present: Callable[[], list[str]], title: str = "") -> Work:
    """Twenty samples in three shards."""
    return Work(IMAGES, present, "shard", "sample", 60.0, title)


@pytest.mark.parametrize("kind", [OSError, InputError])
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_folder_that_cannot_be_listed_ends_the_progress_alone(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    def present() -> list[str]:
        raise kind("listing 's3://bucket/out': told to")

    with caplog.at_level(logging.WARNING), show_progress(work(present)):
        pass
    assert "the progress is not shown any more: listing 's3://bucket/out'" in caplog.text


def test_a_bar_counts_the_images_of_unfinished_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """One file is there from an earlier run, another fails, and the last one is finished."""
    monkeypatch.setattr(progress, "TERMINAL_SECONDS", 0.01)
    present, written = ["c"], bytearray()

    def shows(images: int, files: int) -> Callable[[], bool]:
        def is_shown() -> bool:
            written.extend(os.read(screen, 65536))
            last = written_lines(written.decode(errors="ignore"))[-1]
            return f"shard {files}/3: " in last and f" {images}/20 samples [" in last

        return is_shown

    with terminal_file(80) as (opened, screen):
        monkeypatch.setattr("sys.stderr", opened)
        with local_run(lambda shard: True) as run, show_progress(work(lambda: present)):
            wait_for(shows(2, 1))
            run.count(0, 5)
            wait_for(shows(7, 1))
            run.count(1, 6)
            wait_for(shows(13, 1))
            run.count(0, 0)
            wait_for(shows(8, 1))
            run.count(1, 8)
            run.made(1)
            wait_for(shows(10, 2))
            present.append("b")
        wait_for(shows(10, 2))
    lines = written_lines(written.decode())
    assert widest(lines) <= 80
    assert re.search(r" 10%\|.* 2/20 samples \[00:00<\?, \? samples/s\]$", lines[0])


def test_a_line_has_the_average_of_this_run_alone() -> None:
    found, done = Done(10, 1), Done(13, 1)
    assert progress_line(work(list), found, done, 6.0) == (
        "shards 1/3, samples 13/20, 0.5 samples/s, 00:14 left"
    )
    assert progress_line(work(list), found, found, 6.0) == (
        "shards 1/3, samples 10/20, 0.0 samples/s, time left unknown"
    )
    assert progress_line(work(list, "int8"), Done(), Done(20, 3), 4.0) == (
        "int8: shards 3/3, samples 20/20, 5.0 samples/s, 00:00 left"
    )
