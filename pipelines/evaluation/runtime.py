"""ONNX Runtime as the evaluation uses it."""

from __future__ import annotations

import hashlib
from typing import Any

import onnxruntime

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.evaluation.identity import runtime_identity
from sysnoise.pipelines.storage.reading import read_file
from sysnoise.pipelines.storage.root import Root
from sysnoise.transforms.errors import plain_message

PACKAGES = ("numpy", "onnx", "onnxruntime", "pillow")

MODEL_BYTES = 2**31
"""Bytes of the longest model: https://protobuf.dev/programming-guides/proto-limits."""


def onnx_identity() -> dict[str, Any]:
    """Return versions and CPU features that decide the last bits of a prediction."""
    return runtime_identity(PACKAGES)


def open_session(model: bytes, origin: str) -> onnxruntime.InferenceSession:
    """Load a model on the CPU with one thread: parallelism belongs to Beam.

    Args:
        model: the bytes of the ONNX file, tensors included.
        origin: what the model is, for the message.

    Raises:
        InputError: the runtime cannot load it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # Fatal errors; others are raised, too.
    # Without it, CPUs that lack VNNI saturate sums of int8, and others do not.
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except MemoryError:
        raise
    except Exception as error:  # The runtime has error types of its own, without a common base.
        raise InputError(f"loading {origin}: {plain_message(error)}") from error


def load_model(root: Root, path: str, sha256: str) -> onnxruntime.InferenceSession:
    """Load a model that a run wrote.

    Raises:
        InputError: it cannot be read, is another one or cannot be loaded.
    """
    try:
        data = read_file(root, path, MODEL_BYTES)
    except OSError as error:
        raise InputError(f"reading {root.child(path)!r}: {error}; run again") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise InputError(
            f"{root.child(path)!r} has the sha256 {found}, expected {sha256}; remove it and run "
            "again"
        )
    return open_session(data, repr(root.child(path)))
