"""PNG by other filters and deflates, and other formats: ``python -m benchmarks.png``.

All encode the same arrays by turns in one thread: those that the pipeline makes of photographs, in
ImageNet's and in COCO's size. The photographs are the shipped ones, or those of two folders, one
for each size. Candidates whose library is not installed are left out.
"""

from __future__ import annotations

import functools
import io
import statistics
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from isal import igzip_lib, isal_zlib
from PIL import Image

from benchmarks.machine import describe_machine
from benchmarks.report import table
from sysnoise import load_grid
from sysnoise.pipelines.cli.photographs import photographs
from sysnoise.pipelines.workers.job import prepare_libraries
from sysnoise.transforms.codecs.encoders import deflate, encode
from sysnoise.transforms.grid import Grid
from sysnoise.transforms.pixels import Pixels, size_of
from sysnoise.transforms.resizers import resize

Encode = Callable[[Pixels], bytes]
Decode = Callable[[bytes], Any]
Compress = Callable[[Pixels], bytes]
Filter = Callable[[Pixels], Pixels]
Columns = dict[tuple[str, ...], tuple[str, ...]]
Key = TypeVar("Key")
Task = TypeVar("Task")

ROUNDS = 7
RESIZES = ("pillow-nearest", "pillow-bilinear", "pillow-lanczos", "opencv-linear")
ARRAYS = {"imagenet-full": 12, "coco-full": 3}
"""How many photographs each grid's arrays are made of."""
BASELINE = "png"


def filter_none(rows: Pixels) -> Pixels:
    """Return rows of shape (H, 3 W) behind the number of their filter: shape (H, 1 + 3 W)."""
    return _numbered(0, rows)


def filter_sub(rows: Pixels) -> Pixels:
    """Return each pixel less the one to its left."""
    filtered = _numbered(1, rows)
    filtered[:, 4:] -= rows[:, :-3]
    return filtered


def filter_up(rows: Pixels) -> Pixels:
    """Return each pixel less the one above."""
    filtered = _numbered(2, rows)
    filtered[1:, 1:] -= rows[:-1]
    return filtered


def filter_average(rows: Pixels) -> Pixels:
    """Return each pixel less the rounded-down mean of the one to its left and the one above."""
    filtered = _numbered(3, rows)
    filtered[0, 4:] -= rows[0, :-3] >> 1
    filtered[1:, 1:4] -= rows[:-1, :3] >> 1
    left, above = rows[1:, :-3], rows[:-1, 3:]
    mean = left ^ above  # a + b = 2 (a & b) + (a ^ b), which needs no ninth bit.
    mean >>= 1
    mean += left & above
    filtered[1:, 4:] -= mean
    return filtered


def filter_paeth(rows: Pixels) -> Pixels:
    """Return each pixel less Paeth's choice of its neighbors (W3C, PNG, section 9.4)."""
    padded = np.pad(rows.astype(np.int16), ((1, 0), (3, 0)))
    left, above, corner = padded[1:, :-3], padded[:-1, 3:], padded[:-1, :-3]
    to_left, to_above = np.abs(above - corner), np.abs(left - corner)
    to_corner = np.abs(left + above - 2 * corner)
    choice = np.where(to_above <= to_corner, above, corner)
    choice = np.where((to_left <= to_above) & (to_left <= to_corner), left, choice)
    filtered = _numbered(4, rows)
    filtered[:, 1:] -= choice.astype(np.uint8)
    return filtered


def _numbered(number: int, rows: Pixels) -> Pixels:
    filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = number
    filtered[:, 1:] = rows
    return filtered


FILTERS: Mapping[str, Filter] = {
    "None": filter_none,
    "Sub": filter_sub,
    "Up": filter_up,
    "Average": filter_average,
    "Paeth": filter_paeth,
}


def filter_by_entropy(rows: Pixels) -> Pixels:
    """Filter all rows by Sub, Up or Average: that of the least entropy in every 16th row."""
    pairs = np.add.outer(np.arange(0, len(rows), 16), (0, 1)).clip(max=len(rows) - 1).ravel()

    def entropy(apply: Filter) -> float:
        counts = np.bincount(apply(rows[pairs])[1::2, 1:].ravel(), minlength=256)
        shares = counts[counts > 0] / counts.sum()
        return -float(shares @ np.log2(shares))

    return min((filter_sub, filter_up, filter_average), key=entropy)(rows)


def filter_by_row(rows: Pixels) -> Pixels:
    """Filter each row by the filter with the least sum of absolute values (W3C, section 12.7)."""
    filtered = np.stack([apply(rows) for apply in FILTERS.values()])
    sums = np.abs(filtered[:, :, 1:].view(np.int8).astype(np.int16)).sum(2, dtype=np.int64)
    return np.ascontiguousarray(filtered[sums.argmin(0), np.arange(len(rows))])


def png(apply: Filter, compress: Compress) -> Encode:
    """Return an encoder that filters, compresses and writes the chunks of a PNG."""

    def encoder(pixels: Pixels) -> bytes:
        height, width = pixels.shape[:2]
        data = compress(apply(pixels.reshape(height, 3 * width)))
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(content)) + name + content + _checksum(name + content)
            for name, content in chunks
        )

    return encoder


def _checksum(data: bytes) -> bytes:
    return struct.pack(">I", isal_zlib.crc32(data))


def isal(level: int, window_bits: int) -> Compress:
    """Return ISA-L in one call."""
    return functools.partial(
        igzip_lib.compress, level=level, flag=igzip_lib.COMP_ZLIB, hist_bits=window_bits
    )


def isal_as_here(data: Pixels) -> bytes:
    """Compress as the project does."""
    return b"".join(deflate(data.reshape(-1)))


def zlib_strategy(library: Any, level: int, strategy: int) -> Compress:
    """Return zlib, or a library with its interface."""

    def compress(data: Pixels) -> bytes:
        stream = library.compressobj(level, zlib.DEFLATED, 15, 9, strategy)
        return bytes(stream.compress(data) + stream.flush())

    return compress


def zlib_ng(level: int, strategy: int) -> Compress:
    """Return zlib-ng."""
    from zlib_ng import zlib_ng as library

    return zlib_strategy(library, level, strategy)


def libdeflate(level: int) -> Compress:
    """Return libdeflate, by the package deflate."""
    import deflate as library

    return lambda data: bytes(library.zlib_compress(data.tobytes(), level))


def imagecodecs(name: str, **options: Any) -> Encode:
    """Return an encoder of imagecodecs."""
    import imagecodecs as library

    return functools.partial(getattr(library, name), **options)


def fpng() -> Encode:
    """Return fpng."""
    import fpng as library

    return lambda pixels: bytes(library.from_ndarray(pixels))


def opencv(*options: int) -> Encode:
    """Return OpenCV's PNG writer, which takes BGR."""
    return lambda pixels: bytes(
        cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)[1]
    )


def pillow(**options: Any) -> Encode:
    """Return Pillow's PNG writer."""

    def encoder(pixels: Pixels) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", **options)
        return buffer.getvalue()

    return encoder


def read_with_pillow(data: bytes) -> Any:
    """Decode a file of any format that Pillow knows."""
    return np.asarray(Image.open(io.BytesIO(data)))


def read_with_opencv(data: bytes) -> Any:
    """Decode a file of any format that OpenCV knows."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def read_with_imagecodecs(name: str, data: bytes) -> Any:
    """Decode with a decoder of imagecodecs."""
    import imagecodecs as library

    return getattr(library, name)(data)


def read_npy(data: bytes) -> Any:
    """Decode NumPy's format."""
    return np.load(io.BytesIO(data))


@dataclass(frozen=True)
class Candidate:
    """An encoder, and decoders of its files.

    Attributes:
        make: returns the encoder, or raises ImportError.
        readers: the decoders by name.
    """

    make: Callable[[], Encode]
    readers: Mapping[str, Decode]


PNG_READERS: Mapping[str, Decode] = {"Pillow": read_with_pillow, "OpenCV": read_with_opencv}


def _png(make: Callable[[], Encode]) -> Candidate:
    return Candidate(make, PNG_READERS)


def _other(make: Callable[[], Encode], **readers: Decode) -> Candidate:
    return Candidate(make, readers)


def _stored(name: str) -> Encode:
    return functools.partial(encode, name)


CANDIDATES: Mapping[str, Candidate] = {
    BASELINE: _png(lambda: _stored("png")),
    "ISA-L level 3, window 4, as before": _png(lambda: png(filter_up, isal(3, 2))),
    "ISA-L level 3": _png(lambda: png(filter_up, isal(3, 15))),
    "ISA-L level 2": _png(lambda: png(filter_up, isal(2, 15))),
    "ISA-L level 1": _png(lambda: png(filter_up, isal(1, 15))),
    "ISA-L level 1, window 4": _png(lambda: png(filter_up, isal(1, 2))),
    "ISA-L level 0": _png(lambda: png(filter_up, isal(0, 15))),
    **{
        f"filter {name}": _png(functools.partial(png, apply, isal_as_here))
        for name, apply in FILTERS.items()
        if name != "Up"
    },
    "filter by entropy": _png(lambda: png(filter_by_entropy, isal_as_here)),
    "filter by row": _png(lambda: png(filter_by_row, isal_as_here)),
    "libdeflate level 1": _png(lambda: png(filter_up, libdeflate(1))),
    "zlib-ng level 1": _png(lambda: png(filter_up, zlib_ng(1, 0))),
    "zlib-ng level 2": _png(lambda: png(filter_up, zlib_ng(2, 0))),
    "zlib-ng Huffman only": _png(lambda: png(filter_up, zlib_ng(1, zlib.Z_HUFFMAN_ONLY))),
    "zlib-ng runs": _png(lambda: png(filter_up, zlib_ng(1, zlib.Z_RLE))),
    "zlib Huffman only": _png(lambda: png(filter_up, zlib_strategy(zlib, 1, zlib.Z_HUFFMAN_ONLY))),
    "OpenCV default": _png(opencv),
    "OpenCV Up, Huffman only": _png(
        lambda: opencv(
            *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
            *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY),
        )
    ),
    "Pillow level 1": _png(lambda: pillow(compress_level=1)),
    "libspng level 1": _png(lambda: imagecodecs("spng_encode", level=1)),
    "libpng level 1, Up, runs": _png(
        lambda: imagecodecs("png_encode", level=1, strategy=3, filter=32)
    ),
    "fpng": _png(fpng),
    "JPEG XL effort 1": _other(
        lambda: _stored("jxl"),
        imagecodecs=functools.partial(read_with_imagecodecs, "jpegxl_decode"),
    ),
    "WebP quality 0, method 0": _other(lambda: _stored("webp"), Pillow=read_with_pillow),
    "QOI": _other(
        lambda: imagecodecs("qoi_encode"),
        imagecodecs=functools.partial(read_with_imagecodecs, "qoi_decode"),
    ),
    "NumPy": _other(lambda: _stored("npy"), NumPy=read_npy),
}


def arrays_of(grid: Grid, images: Iterable[Pixels]) -> list[Pixels]:
    """Return the images as the grid's geometry and each of :data:`RESIZES` make them."""
    arrays = []
    for pixels in images:
        placement = grid.place(size_of(pixels), "")
        left, upper, right, lower = placement.box
        arrays += [
            np.ascontiguousarray(resize(name, pixels, placement.resized)[upper:lower, left:right])
            for name in RESIZES
        ]
    return arrays


def milliseconds(
    calls: Mapping[Key, Callable[[Task], Any]], tasks: Mapping[Key, Sequence[Task]]
) -> dict[Key, float]:
    """Return each call's processor time per task: the mean over tasks of the best of all rounds.

    Every call takes its own tasks, of which all have as many; the calls take turns on each.
    """
    count = len(next(iter(tasks.values())))
    best = {name: [float("inf")] * count for name in calls}
    for _ in range(ROUNDS):
        for i in range(count):
            for name, call in calls.items():
                start = time.thread_time()
                call(tasks[name][i])
                best[name][i] = min(best[name][i], time.thread_time() - start)
    return {name: 1000 * statistics.mean(seconds) for name, seconds in best.items()}


def installed() -> dict[str, Encode]:
    """Return the encoders whose libraries are installed."""
    encoders = {}
    for name, candidate in CANDIDATES.items():
        try:
            encoders[name] = candidate.make()
        except ImportError as error:
            print(f"left out {name}: {error}", file=sys.stderr)
    return encoders


def measure(arrays: Sequence[Pixels]) -> tuple[Columns, Columns]:
    """Return columns of a table of encoders, and those of one of decoders of their files.

    Raises:
        RuntimeError: a reader gives other pixels than were encoded.
    """
    encoders = installed()
    files = {name: [call(pixels) for pixels in arrays] for name, call in encoders.items()}
    readers = {
        (name, reader): read
        for name in encoders
        for reader, read in CANDIDATES[name].readers.items()
    }
    for (name, reader), read in readers.items():
        if not all(map(np.array_equal, map(read, files[name]), arrays)):
            raise RuntimeError(f"{reader} reads other pixels than {name} wrote")
    encoding = milliseconds(encoders, dict.fromkeys(encoders, arrays))
    timed = {key: read for key, read in readers.items() if _is_format(key[0])}
    decoding = milliseconds(timed, {key: files[key[0]] for key in timed})
    sizes = {name: list(map(len, encoded)) for name, encoded in files.items()}
    return (
        {(name,): _encoder(name, encoding, sizes) for name in encoders},
        {key: (f"{spent:.2f}",) for key, spent in decoding.items()},
    )


def _is_format(name: str) -> bool:
    return name == BASELINE or CANDIDATES[name].readers is not PNG_READERS


def _encoder(
    name: str, spent: Mapping[str, float], sizes: Mapping[str, Sequence[int]]
) -> tuple[str, ...]:
    own, base = sizes[name], sizes[BASELINE]
    return (
        f"{spent[name]:.2f}",
        f"{spent[name] / spent[BASELINE]:.2f}",
        f"{sum(own) / sum(base):.3f}",
        f"{max(size / other for size, other in zip(own, base, strict=True)):.2f}",
    )


def main() -> None:
    """Measure, and print the tables: FOLDER of ImageNet's photographs, and FOLDER of COCO's."""
    prepare_libraries()
    print(*describe_machine().values())
    encoders: list[Columns] = []
    decoders: list[Columns] = []
    for position, (name, count) in enumerate(ARRAYS.items(), 1):
        images = read(Path(sys.argv[position])) if sys.argv[1:] else list(photographs().values())
        arrays = arrays_of(load_grid(name), images[:: max(1, len(images) // count)][:count])
        mebibytes = statistics.mean(pixels.nbytes for pixels in arrays) / 2**20
        print(f"{name}: {len(arrays)} arrays, {mebibytes:.2f} MiB on average")
        for columns, found in zip((encoders, decoders), measure(arrays), strict=True):
            columns.append(found)
    figures = ("ms", "of `png`", "size of `png`", "at most")
    print(joined(("encoder", *figures, *figures), encoders))
    print(joined(("format", "decoder", "ms", "ms"), decoders))


def read(folder: Path) -> list[Pixels]:
    """Return the images of a folder by their names' order."""
    return [np.asarray(Image.open(file).convert("RGB")) for file in sorted(folder.iterdir())]


def joined(header: Sequence[str], columns: Sequence[Columns]) -> str:
    """Return a table whose rows are those of all columns side by side."""
    rows = [(*names, *(cell for own in columns for cell in own[names])) for names in columns[0]]
    return table(header, rows)


if __name__ == "__main__":
    main()
