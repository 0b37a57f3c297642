"""NVIDIA DALI's CPU backend, from the extra ``dali``; it needs no GPU.

DALI runs pipelines, so each process builds one pipeline per operation, with one thread and a batch
size of one, and gives it one image at a time.
"""

from __future__ import annotations

import functools
import os
import threading
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sysnoise.transforms.codecs.sniff import Container, ImageKind
from sysnoise.transforms.pixels import Pixels

_ONE_AT_A_TIME = threading.Lock()


class DaliFilter(Enum):
    """DALI's two linear filters."""

    TRIANGULAR = "antialias"
    LINEAR = "no antialias"


def decode_dali(data: bytes) -> Pixels:
    """Decode with DALI's CPU decoder, libjpeg-turbo for JPEGs, in the stored orientation.

    nvImageCodec provides the decoders.

    Source: DALI, ``fn.decoders.image`` with ``device="cpu"`` and ``adjust_orientation=False``.

    Raises:
        ValueError: DALI cannot decode the file.
    """
    return _run(None, encoded=np.frombuffer(data, np.uint8))


def resize_dali(pixels: Pixels, size: tuple[int, int], *, filter_: DaliFilter) -> Pixels:
    """Resize with DALI's linear interpolation, widened with the reduction (triangular) or not.

    Source: DALI, ``fn.resize`` with ``INTERP_LINEAR``, and ``antialias`` on or off.

    Args:
        pixels: uint8, shape (H, W, 3).
        size: the width and height of the result.
        filter_: the filter.

    Raises:
        ValueError: DALI cannot resize to this size.
    """
    width, height = size
    shape = np.array([height, width], np.float32)
    return _run(filter_, image=np.ascontiguousarray(pixels), size=shape)


def dali_kind(kind: ImageKind) -> bool:
    """Accept every format except GIF; of JPEGs, the lossy ones of 8 bits."""
    frame = kind.frame
    if frame is not None:
        return frame.precision == 8 and not frame.lossless
    return kind.container is not Container.GIF


def _run(filter_: DaliFilter | None, **inputs: NDArray[Any]) -> Pixels:
    """Run one image through a pipeline; after an error, the pipeline is not used again."""
    with _ONE_AT_A_TIME:
        pipeline = _pipeline(filter_, os.getpid())
        try:
            for name, array in inputs.items():
                pipeline.feed_input(name, [array])
            (outputs,) = pipeline.run()
        except RuntimeError as error:  # Its message quotes this file and says little else.
            _pipeline.cache_clear()
            raise ValueError("DALI's pipeline failed") from error
        return np.array(outputs.at(0), np.uint8)  # The pipeline reuses its buffers.


@functools.cache
def _pipeline(filter_: DaliFilter | None, process: int) -> Any:
    """Build the pipeline that resizes with a filter or, without one, the pipeline that decodes.

    A forked process does not have the threads of its parent's pipelines, so it builds its own.
    """
    from nvidia.dali import Pipeline  # It comes with an extra.

    pipeline = Pipeline(
        batch_size=1, num_threads=1, device_id=None, prefetch_queue_depth=1, exec_dynamic=False
    )
    with pipeline:
        pipeline.set_outputs(_decoded() if filter_ is None else _resized(filter_))
    pipeline.build()
    return pipeline


def _decoded() -> Any:
    from nvidia.dali import fn, types

    encoded = fn.external_source(name="encoded", dtype=types.UINT8, ndim=1)
    return fn.decoders.image(encoded, device="cpu", output_type=types.RGB, adjust_orientation=False)


def _resized(filter_: DaliFilter) -> Any:
    from nvidia.dali import fn, types

    image = fn.external_source(name="image", dtype=types.UINT8, ndim=3, layout="HWC")
    size = fn.external_source(name="size", dtype=types.FLOAT, ndim=1)
    antialias = filter_ is DaliFilter.TRIANGULAR
    return fn.resize(image, size=size, interp_type=types.INTERP_LINEAR, antialias=antialias)
