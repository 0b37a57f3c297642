"""The progress that a run shows."""

from __future__ import annotations

import logging

import pytest

from sysnoise.pipelines.beam.progress import Work, show_progress
from sysnoise.pipelines.errors import InputError


@pytest.mark.parametrize("kind", [OSError, InputError])
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_folder_that_cannot_be_listed_ends_the_progress_alone(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    def present() -> list[str]:
        raise kind("listing 's3://bucket/out': told to")

    with caplog.at_level(logging.WARNING), show_progress(Work({"part": 1}, present, "part", 0.1)):
        pass
    assert "the progress is not shown any more: listing 's3://bucket/out'" in caplog.text
