"""Decoders of extras against their libraries' own calls: ``python -m benchmarks.decoders``.

Both are timed on the same photographs in turn. A method also checks that the file is a whole JPEG,
where its library does not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.in_turn import in_turn
from benchmarks.report import decoder_table
from sysnoise.pipelines.cli.photographs import SUBSAMPLINGS, jpeg_bytes, photographs
from sysnoise.pipelines.workers.job import prepare_libraries
from sysnoise.transforms.codecs.decoders import DECODERS, decode
from sysnoise.transforms.codecs.encoded import EncodedImage
from sysnoise.transforms.methods import is_available
from sysnoise.transforms.pixels import Pixels

Call = Callable[[bytes], Pixels]


def stb() -> Call:
    """Return ``libstb.imread``."""
    import libstb

    return functools.partial(libstb.imread, channels=3)


def zune() -> Call:
    """Return ``kornia_rs.io.decode_image_jpeg``."""
    from kornia_rs import io

    decoded: Call = io.decode_image_jpeg
    return decoded


def jpegli() -> Call:
    """Return ``ajpegli.imdecode``."""
    import ajpegli

    return ajpegli.imdecode


OWN_CALLS: Mapping[str, Callable[[], Call]] = {"stb": stb, "zune": zune, "jpegli": jpegli}


def against_own_calls() -> Iterator[dict[str, Any]]:
    """Yield name, milliseconds of both, and their ratio, for every installed decoder.

    Raises:
        RuntimeError: a decoder and its library's own call give other pixels.
    """
    prepare_libraries()
    files = [
        jpeg_bytes(np.ascontiguousarray(pixels), subsampling)
        for pixels in photographs().values()
        for subsampling in SUBSAMPLINGS
    ]
    for name, make in OWN_CALLS.items():
        if not is_available(DECODERS[name]):
            continue
        own = make()
        if not np.array_equal(own(files[0]), _decode(name, files[0])):
            raise RuntimeError(f"{name} and its library's own call differ")
        method = functools.partial(_decode, name)
        yield {"decoder": name, **in_turn(method, own, [(data,) for data in files])}


def _decode(name: str, data: bytes) -> Pixels:
    return decode(name, EncodedImage(data))


def main() -> None:
    """Measure, and print the table."""
    print(decoder_table(list(against_own_calls())))


if __name__ == "__main__":
    main()
