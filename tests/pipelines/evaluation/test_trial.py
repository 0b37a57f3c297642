"""Work in a process of its own."""

from __future__ import annotations

import gc
import signal
import time
from pathlib import Path

import onnxruntime

from sysnoise.pipelines.evaluation.trial import tried
from tests.models import write_classifier


def test_garbage_with_threads_is_left_to_the_process_that_has_them(tmp_path: Path) -> None:
    """A session's end waits for its threads, which are not in the process of the trial."""
    write_classifier(tmp_path / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 4
    gc.disable()
    try:
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx", options)
        time.sleep(0.5)  # Until its threads wait for work.
        cycle: list[object] = [session]
        cycle.append(cycle)
        del session, cycle

        def collect() -> bytes:
            signal.alarm(20)  # Instead of waiting forever.
            gc.collect()
            return b"done"

        assert tried("collecting", 0, collect) == b"done"
    finally:
        gc.enable()
