"""``sysnoise codecs``: the decoders, the builds of their libraries, and how far they differ."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sysnoise.transforms.codecs.decoders import DECODERS, Decoder
from sysnoise.transforms.codecs.probes import (
    KINDS,
    REFERENCE,
    DecoderComparison,
    compare_decoders,
    probe_jpeg,
)
from sysnoise.transforms.libraries import library_build
from sysnoise.transforms.methods import install_line, is_available

JPEG_FACTS = ("libjpeg_turbo", "libjpeg", "jpeg", "libavcodec", "libswscale", "nvimgcodec")
"""The facts of a library's build that concern JPEG."""

WIDTH = 118
"""Number of characters per line of the text."""

Document = dict[str, Any]


def describe_codecs() -> Document:
    """Return the facts on every decoder and the results of the probes, as JSON-compatible data.

    Returns:
        ``decoders``: one row per decoder, including those of extras that are not installed.
        ``identical``: by kind of JPEG, the groups of two or more decoders with the same pixels.
        ``distance``: by kind and name, mean and maximum absolute difference from ``pillow``, 0 to
        255; None where the decoder does not read the kind. Only installed decoders are included.
    """
    available = [name for name, decoder in DECODERS.items() if is_available(decoder)]
    compared = {kind: compare_decoders(available, probe_jpeg(kind)) for kind in KINDS}
    return {
        "decoders": [_row(decoder) for decoder in DECODERS.values()],
        "identical": {kind: [*map(list, found.identical)] for kind, found in compared.items()},
        "distance": {
            kind: {name: _distance(found, name) for name in available}
            for kind, found in compared.items()
        },
    }


def _row(decoder: Decoder) -> Document:
    available = is_available(decoder)
    build = library_build(decoder.library) if available else {}
    options = decoder.options
    codec = {fact: build[fact] for fact in JPEG_FACTS if fact in build}
    if "build" in options:  # This is one of several builds in the library.
        codec["libjpeg"] = str(options["build"])
    return {
        "name": decoder.name,
        "library": decoder.library,
        "version": build.get("version"),
        "codec": codec,
        "dct": options.get("dct"),
        "upsampling": _upsampling(options),
        "exif": decoder.exif.value,
        "extra": decoder.extra,
        "available": available,
    }


def _upsampling(options: Mapping[str, Any]) -> str | None:
    """Return what upsamples the chroma: the codec, or libswscale with these flags."""
    if "swscale" in options:
        return f"swscale {options['swscale']}"
    return options.get("upsampling")


def _distance(compared: DecoderComparison, name: str) -> Document | None:
    if name in compared.errors:
        return None
    found = compared.distance[name]
    return {"mean": found.mean, "maximum": found.maximum}


def format_codecs(document: Document) -> str:
    """Return the document as text: decoders, groups of identical decoders and distances."""
    lines = [
        *_decoder_lines(document["decoders"]),
        *_absent_lines(document["decoders"]),
        "",
        "Identical pixels, by kind of JPEG:",
        *_identical_lines(document["identical"]),
        "",
        f"Absolute difference from {REFERENCE}, mean/maximum of 255 levels "
        "('=' identical, '-' not read by the decoder):",
        *_distance_lines(document["distance"]),
    ]
    return "\n".join(lines)


def _decoder_lines(rows: Sequence[Document]) -> Iterator[str]:
    header = ["decoder", "library", "version", "codec", "DCT", "upsampling", "EXIF", "extra"]
    cells = (
        [
            row["name"],
            row["library"],
            row["version"],
            _codec_text(row["codec"]),
            row["dct"],
            row["upsampling"] and row["upsampling"].partition("+")[0],
            row["exif"],
            row["extra"],
        ]
        for row in rows
    )
    return _table(header, cells)


def _absent_lines(rows: Sequence[Document]) -> Iterator[str]:
    absent = [row for row in rows if not row["available"]]
    for extra in dict.fromkeys(row["extra"] for row in absent):
        names = ", ".join(row["name"] for row in absent if row["extra"] == extra)
        yield from _wrapped(f"not installed; {install_line(extra)} provides: ", names)


def _codec_text(codec: Mapping[str, str]) -> str | None:
    for fact, value in codec.items():
        if fact == "jpeg":  # As OpenCV says it: "build-libjpeg-turbo (ver 3.1.2-70)", or a path.
            return value.rpartition("/")[2].removeprefix("build-").replace("(ver ", "").rstrip(")")
        return f"{fact.replace('_', '-')} {value}"
    return None


def _identical_lines(identical: Mapping[str, Sequence[Sequence[str]]]) -> Iterator[str]:
    for kind, groups in identical.items():
        for position, names in enumerate(groups):
            yield from _wrapped(f"{'' if position else kind:<13}", " = ".join(names))


def _distance_lines(distance: Mapping[str, Mapping[str, Document | None]]) -> Iterator[str]:
    names = next(iter(distance.values()))
    rows = ([name, *(_distance_text(of[name]) for of in distance.values())] for name in names)
    return _table(["decoder", *distance], rows)


def _distance_text(found: Document | None) -> str | None:
    if found is None:
        return None
    return f"{found['mean']:.2f}/{found['maximum']}" if found["maximum"] else "="


def _table(header: Sequence[str], rows: Iterable[Sequence[str | None]]) -> Iterator[str]:
    """Yield lines with columns as wide as they need to be, and a dash for None."""
    cells = [header, *([cell or "-" for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_on_hyphens=False,
        break_long_words=False,
    )
