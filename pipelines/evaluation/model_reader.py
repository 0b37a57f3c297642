"""Reading a model as it was exported, with weights that lie beside it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from sysnoise.manifests.layout import leaves_set
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.evaluation.runtime import open_session
from sysnoise.pipelines.storage.reading import read_file, read_range
from sysnoise.pipelines.storage.root import Root, connect

LIMIT = 2**31
"""Bytes of a protobuf message: https://protobuf.dev/programming-guides/proto-limits."""


def read_model(url: str) -> onnx.ModelProto:
    """Return a model with its weights, which exporters may put into files beside it.

    Args:
        url: path or fsspec URL.

    Raises:
        InputError: it cannot be read, is no ONNX model, has weights that are not there or come to
            2 GiB, or the runtime cannot load it.
    """
    doing = f"reading the model {url!r}"
    try:
        model = onnx.load_model_from_string(read_file(connect(url), "", LIMIT))
        if not model.graph.node:  # Such as an empty file, which is a valid message.
            raise InputError(f"{doing}: it is no ONNX model: it has no nodes")
        for tensor in filter(uses_external_data, _tensors(model.graph)):
            _read_external(connect(posixpath.dirname(url) or "."), tensor, doing)
    except DecodeError as error:
        raise InputError(f"{doing}: it is no ONNX model, or only a part of one: {error}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{doing}: {error}") from error
    size = model.ByteSize()
    if size >= LIMIT:
        raise InputError(f"{doing}: with its weights it has {size} bytes, the limit is {LIMIT}")
    open_session(model.SerializeToString(), repr(url))
    return model


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield the tensors of a graph and of the graphs in it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def _read_external(folder: Root, tensor: onnx.TensorProto, doing: str) -> None:
    """Put the bytes of a tensor that lie in another file into it."""
    place = ExternalDataInfo(tensor)
    if leaves_set(place.location):
        raise InputError(f"{doing}: it names weights outside of its folder: {place.location!r}")
    start = place.offset or 0
    if place.length is None:
        tensor.raw_data = read_file(folder, place.location, LIMIT)[start:]
    else:
        tensor.raw_data = read_range(folder, place.location, start, place.length)
    for field in ("external_data", "data_location"):  # As if it had never been elsewhere.
        tensor.ClearField(field)
