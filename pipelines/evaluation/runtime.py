"""ONNX Runtime as the evaluation uses it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import sys
from typing import Any

import onnx
import onnxruntime
from onnx import TensorProto, helper

from sysnoise.pipelines.errors import InputError, UsageError
from sysnoise.pipelines.evaluation.identity import runtime_identity
from sysnoise.pipelines.evaluation.providers import CPU, CUDA, Device, Provider
from sysnoise.pipelines.storage.reading import read_file
from sysnoise.pipelines.storage.root import Root
from sysnoise.transforms.errors import plain_message
from sysnoise.transforms.methods import install_line

DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
"""Each of them brings the module ``onnxruntime``, with other providers."""

MODEL_BYTES = 2**31
"""Bytes of the longest model: https://protobuf.dev/programming-guides/proto-limits."""


def onnx_identity(provider: Provider) -> dict[str, Any]:
    """Return what decides the last bits of a prediction: versions, CPU features and provider."""
    runtimes = filter(_is_installed, DISTRIBUTIONS)
    versions = runtime_identity(("numpy", "onnx", *runtimes, "pillow"))
    if provider == CPU:
        return versions
    return {**versions, "provider": {"name": provider.name, "options": dict(provider.options)}}


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def refuse_missing(provider: Provider) -> None:
    """Refuse a provider that the installed runtime does not have.

    Raises:
        UsageError: it does not have it; the message says how to get it.
    """
    present = onnxruntime.get_available_providers()
    if provider.official not in present:
        raise UsageError(
            f"the ONNX Runtime that is installed has no {provider.official}, only "
            f"{', '.join(present)}: {install_line(provider.extra)}, in an environment without "
            "another of its wheels, because they overwrite each other"
        )


def usable_device() -> Provider:
    """Return the provider of a GPU if ONNX Runtime can use one here, else that of the CPU."""
    if CUDA.official not in onnxruntime.get_available_providers():
        return CPU
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "trial", [value], [out])
    opsets = [helper.make_opsetid("", 13)]
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    try:
        open_session(model.SerializeToString(), "a model of one node", CUDA)
    except InputError:
        return CPU
    return CUDA


def open_session(model: bytes, origin: str, provider: Provider) -> onnxruntime.InferenceSession:
    """Load a model with one thread: the command's own threads are parallel.

    Args:
        model: the bytes of the ONNX file, tensors included.
        origin: what the model is, for the message.
        provider: what runs it, and nothing else in its place.

    Raises:
        InputError: the runtime cannot load it, or not with this provider.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # Fatal errors; others are raised, too.
    # Without it, CPUs that lack VNNI saturate sums of int8, and others do not.
    options.add_session_config_entry("session.x64quantprecision", "1")
    if provider != CPU:
        options.use_deterministic_compute = True
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if provider.device is Device.CUDA:
        _find_cuda()
    chain = [(provider.official, dict(provider.options)), *provider.others]
    try:
        session = onnxruntime.InferenceSession(model, options, providers=chain, enable_fallback=0)
    except MemoryError:
        raise
    except Exception as error:  # The runtime has error types of its own, without a common base.
        raise InputError(f"loading {origin}: {plain_message(error)}") from error
    if provider != CPU:
        _refuse_fall_back(session, origin, provider)
    return session


def _find_cuda() -> None:
    """Load CUDA's libraries from NVIDIA's wheels, where the runtime does not look by itself."""
    with contextlib.redirect_stdout(sys.stderr):  # It prints what it does not find.
        onnxruntime.preload_dlls()


def _refuse_fall_back(
    session: onnxruntime.InferenceSession, origin: str, provider: Provider
) -> None:
    """Refuse a session that another provider runs, which the runtime does not raise.

    Raises:
        InputError: the provider did not start, or runs no node of the model.
    """
    if provider.official not in session.get_providers():
        raise InputError(
            f"loading {origin}: ONNX Runtime could not start {provider.official}, whose libraries "
            f"or device it does not find here, and would use {', '.join(session.get_providers())}"
        )
    nodes = session.get_provider_graph_assignment_info()
    own = sum(len(each.get_nodes()) for each in nodes if each.ep_name == provider.official)
    if own == 0:
        raise InputError(
            f"loading {origin}: {provider.official} can run none of its nodes, all of which would "
            "run on another provider"
        )


def load_model(
    root: Root, path: str, sha256: str, provider: Provider
) -> onnxruntime.InferenceSession:
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
    return open_session(data, repr(root.child(path)), provider)
