"""Reading a model as it was exported, with weights that lie beside it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from sysnoise.manifests.layout import leaves_set
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.evaluation.providers import CPU
from sysnoise.pipelines.evaluation.runtime import open_session
from sysnoise.pipelines.evaluation.trial import tried
from sysnoise.pipelines.storage.reading import read_range
from sysnoise.pipelines.storage.root import Root, call_with_retries, connect

LIMIT = 2**31
"""Bytes of a protobuf message: https://protobuf.dev/programming-guides/proto-limits."""


def read_model(url: str) -> onnx.ModelProto:
    """Return a model with its weights, which exporters may put into files beside it.

    Args:
        url: path or fsspec URL.

    Raises:
        InputError: it cannot be read, is no ONNX model, has weights that are not there or come to
            2 GiB, or the runtime cannot load it within the limits of a trial.
    """
    doing = f"reading the model {url!r}"
    try:
        data = _model_content(url)
        model = onnx.load_model_from_string(data)
        if not model.graph.node:  # Such as an empty file, which is a valid message.
            raise InputError(f"{doing}: it is no ONNX model: it has no nodes")
        folder, left = connect(posixpath.dirname(url) or "."), LIMIT
        outside = list(filter(uses_external_data, _tensors(model.graph)))
        for tensor in outside:
            left -= _read_external(folder, tensor, doing, left)
    except DecodeError as error:
        raise InputError(f"{doing}: it is no ONNX model, or only a part of one: {error}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{doing}: {error}") from error
    size = model.ByteSize() if outside else len(data)
    if size >= LIMIT:
        raise InputError(f"{doing}: with its weights it has {size} bytes, the limit is {LIMIT}")
    _try_to_load(model.SerializeToString() if outside else data, url)
    return model


def _try_to_load(data: bytes, url: str) -> None:
    def load() -> bytes:
        open_session(data, repr(url), CPU)
        return b""

    tried(f"loading {url!r}", len(data), load)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield the tensors of a graph and of the graphs in it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def _read_external(folder: Root, tensor: onnx.TensorProto, doing: str, most: int) -> int:
    """Put the bytes of a tensor that lie in another file into it; return how many these are."""
    place = ExternalDataInfo(tensor)
    if leaves_set(place.location):
        raise InputError(f"{doing}: it names weights outside of its folder: {place.location!r}")
    tensor.raw_data = _content(folder, place.location, place.offset or 0, place.length, most)
    for field in ("external_data", "data_location"):  # As if it had never been elsewhere.
        tensor.ClearField(field)
    return len(tensor.raw_data)


def _model_content(url: str) -> bytes:
    try:
        return _content(connect(url), "", 0, None, LIMIT)
    except FileNotFoundError as error:
        raise InputError(f"the model {url!r} does not exist") from error


def _content(root: Root, name: str, start: int, length: int | None, most: int) -> bytes:
    """Return a part of a file, by default all from the start on.

    Raises:
        ValueError: the file has no such part, or the part is as long as the limit.
    """
    size = int(call_with_retries(root, "looking for", name, lambda: root.fs.size(root.join(name))))
    length = size - start if length is None else length
    if not 0 <= start <= start + length <= size:
        raise ValueError(
            f"{root.child(name)!r} has {size} bytes, expected {length} from {start} on"
        )
    if length >= most:
        raise ValueError(f"with its weights it has more bytes than the limit, {LIMIT}")
    return read_range(root, name, start, length) if length else b""
