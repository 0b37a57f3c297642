"""``sysnoise codecs``: decoders and resizes, their libraries' builds, and how far they differ."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sysnoise.manifests.stands_for import all_facts
from sysnoise.transforms.codecs.decoders import Decoder
from sysnoise.transforms.codecs.probes import (
    KINDS,
    REFERENCE,
    compare_decoders,
    distinct_decoders,
    probe_jpeg,
)
from sysnoise.transforms.difference import Difference
from sysnoise.transforms.errors import LibraryError
from sysnoise.transforms.libraries import is_importable, library_build
from sysnoise.transforms.methods import Method, install_line, is_available
from sysnoise.transforms.outside import DECODERS, RESIZES
from sysnoise.transforms.quantities import counted
from sysnoise.transforms.resize import probes as resize_probes
from sysnoise.transforms.resize.probes import FAMILY_DISTANCE, PROBES
from sysnoise.transforms.resizers import Resize
from sysnoise.transforms.text_table import GAP, TextTable, fitted_lines, wrapped

JPEG_FACTS = (
    *("libjpeg_turbo", "libjpeg", "jpeg", "libavcodec", "libswscale", "nvimgcodec"),
    *("zune_jpeg", "jpegli"),
)
"""The facts of a library's build that concern JPEG."""

WIDTH = 100
"""Number of characters per line of a paragraph, where the terminal has as many."""

Document = dict[str, Any]


def describe_codecs() -> Document:
    """Return the facts on every method and the results of the probes, as JSON-compatible data.

    Returns:
        ``decoders``: one row per decoder, including those of extras that are not installed.
        ``identical``: by kind of JPEG, the groups of two or more decoders with the same pixels.
        ``distinct``: the decoders in groups of the same pixels on all kinds but CMYK.
        ``distance``: by kind and name, mean and maximum absolute difference from ``pillow``, 0 to
        255; None where the decoder does not read the kind. Only installed decoders are included.
        ``resizes``: the same for resizes, by the sizes of a probe; and ``families``, see
        :class:`ResizeComparison`.
        ``counts``: numbers of installed decoders and resizes, of distinct decoders and of families.
        ``broken``: why libraries that are installed cannot be loaded, by their names.
        ``stands_for``: by axis and name, the calls of other libraries whose pixels a method gives,
        with the versions and distances that were measured.
    """
    broken = _broken()
    decoders = {name: _row(decoder, broken) for name, decoder in DECODERS.items()}
    available = [name for name, row in decoders.items() if row["available"]]
    compared = {kind: compare_decoders(available, probe_jpeg(kind)) for kind in KINDS}
    distinct = distinct_decoders(compared)
    resizes = _describe_resizes(broken)
    return {
        "counts": {
            "decoders": len(available),
            "distinct_decoders": len(distinct),
            "resizes": sum(row["available"] for row in resizes["resizes"]),
            "resize_families": len(resizes["families"]),
        },
        "decoders": list(decoders.values()),
        "identical": {kind: [*map(list, found.identical)] for kind, found in compared.items()},
        "distinct": [*map(list, distinct)],
        "distance": {
            kind: {name: _distance_document(found.distance.get(name)) for name in available}
            for kind, found in compared.items()
        },
        "resizes": resizes,
        "broken": broken,
        "stands_for": {
            axis: {name: [*map(dataclasses.asdict, found)] for name, found in methods.items()}
            for axis, methods in all_facts().items()
        },
    }


def _broken() -> dict[str, str]:
    """Return why libraries that are installed cannot be loaded, by their names."""
    found = {}
    libraries = dict.fromkeys(each.library for each in (*DECODERS.values(), *RESIZES.values()))
    for library in filter(is_importable, libraries):
        try:
            library_build(library)
        except LibraryError as error:
            found[library] = str(error)
    return found


def _describe_resizes(broken: Mapping[str, str]) -> Document:
    resizes = {name: _resize_row(each, broken) for name, each in RESIZES.items() if name != "none"}
    available = [name for name, row in resizes.items() if row["available"]]
    compared = resize_probes.compare_resizes(available)
    return {
        "resizes": list(resizes.values()),
        "probes": {
            name: {"source": [*probe.source], "size": [*probe.size]}
            for name, probe in PROBES.items()
        },
        "identical": [*map(list, compared.identical)],
        "family_distance": FAMILY_DISTANCE,
        "families": [*map(list, compared.families)],
        "distance": {
            probe: {name: _distance_document(of.get(name)) for name in available}
            for probe, of in compared.distance.items()
        },
    }


def _resize_row(method: Method[Resize], broken: Mapping[str, str]) -> Document:
    available = is_available(method) and method.library not in broken
    return {
        "name": method.name,
        "library": method.library,
        "version": library_build(method.library)["version"] if available else None,
        "options": dict(method.options),
        "extra": method.extra,
        "available": available,
    }


def _row(decoder: Decoder, broken: Mapping[str, str]) -> Document:
    available = is_available(decoder) and decoder.library not in broken
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


def _distance_document(found: Difference | None) -> Document | None:
    return None if found is None else {"mean": found.mean, "maximum": found.maximum}


@dataclass(frozen=True)
class _Paragraph:
    """Words on one or more lines, of which all but the first are indented to the label's end.

    ``hanging`` is what indents them further, so that they differ from a new paragraph.
    """

    text: str
    label: str = ""
    hanging: str = ""


_Part = _Paragraph | TextTable


def format_codecs(document: Document, width: int | None = None) -> str:
    """Return the document as text: decoders, then resizes, each with groups and distances.

    Args:
        document: what :func:`describe_codecs` returns.
        width: number of characters of a line, to which tables are fitted; None for whole tables.
    """
    resizes, broken = document["resizes"], document["broken"]
    parts: list[_Part] = [
        _decoder_table(document["decoders"]),
        *_absent(document["decoders"], broken),
        *(_Paragraph(message) for message in broken.values()),
        _Paragraph(""),
        _Paragraph("Identical pixels, by kind of JPEG:"),
        *_identical(document["identical"]),
        *_distinct(document["distinct"]),
        _Paragraph(""),
        _Paragraph(
            f"Absolute difference from {REFERENCE}, mean/maximum of 255 levels "
            "('=' identical, '-' not read):"
        ),
        _distance_table(document["distance"]),
        _Paragraph(""),
        _Paragraph(
            f"Resizes, absolute difference from {resize_probes.REFERENCE} on three built-in "
            "images, the nearest first:"
        ),
        _resize_table(resizes),
        *_absent(resizes["resizes"], broken),
        _farthest(resizes["distance"]),
        _families(document["counts"], resizes["family_distance"]),
        _Paragraph(""),
        _Paragraph(
            "Which calls of other libraries the methods stand for: docs/deployed.md, or "
            "'sysnoise grids NAME' for those of a grid."
        ),
    ]
    return "\n".join(line for part in parts for line in _lines(part, width))


def _lines(part: _Part, width: int | None) -> list[str]:
    if isinstance(part, TextTable):
        return fitted_lines(part, width)
    return wrapped(part.label, part.text, min(width or WIDTH, WIDTH), part.hanging) or [part.label]


def _decoder_table(rows: Sequence[Document]) -> TextTable:
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
    return _table(header, cells, ["extra", "EXIF", "library", "upsampling", "DCT"])


def _absent(rows: Sequence[Document], broken: Mapping[str, str]) -> Iterator[_Paragraph]:
    absent = [row for row in rows if not row["available"] and row["library"] not in broken]
    for extra in dict.fromkeys(row["extra"] for row in absent):
        names = ", ".join(row["name"] for row in absent if row["extra"] == extra)
        yield _Paragraph(names, f"not installed; {install_line(extra)} provides: ")


_COMMIT = 12
"""Number of characters that tell a commit, such as jpegli's; versions are shorter."""


def _codec_text(codec: Mapping[str, str]) -> str | None:
    for fact, value in codec.items():
        if fact == "jpeg":  # As OpenCV says it: "build-libjpeg-turbo (ver 3.1.2-70)", or a path.
            return value.rpartition("/")[2].removeprefix("build-").replace("(ver ", "").rstrip(")")
        return f"{fact.replace('_', '-')} {value[:_COMMIT]}"
    return None


def _identical(identical: Mapping[str, Sequence[Sequence[str]]]) -> Iterator[_Paragraph]:
    for kind, groups in identical.items():
        for position, names in enumerate(groups):
            yield _Paragraph(" = ".join(names), f"{'' if position else kind:<13}", GAP)


def _distinct(groups: Sequence[Sequence[str]]) -> Iterator[_Paragraph]:
    """Say how many decoders are distinct, and which are equal wherever that counts."""
    count = sum(map(len, groups))
    yield _Paragraph(
        f"The {counted(count, 'decoder')} here are {len(groups)} distinct ones, without CMYK. "
        "Equal on all other kinds that both read:"
    )
    for names in groups:
        if len(names) > 1:
            yield _Paragraph(" = ".join(names), GAP, GAP)


def _distance_table(distance: Mapping[str, Mapping[str, Document | None]]) -> TextTable:
    names = next(iter(distance.values()))
    rows = ([name, *(_distance_text(of[name]) for of in distance.values())] for name in names)
    return _table(["decoder", *distance], rows, ["progressive", "4:2:0-odd", "cmyk", "grayscale"])


def _resize_table(resizes: Document) -> TextTable:
    """Return a row per resize, the nearest first; a member of a family names its first one."""
    first = {name: family[0] for family in resizes["families"] for name in family[1:]}
    distance, version = resizes["distance"], {row["name"]: row for row in resizes["resizes"]}
    sizes = ["{}x{} to {}x{}".format(*p["source"], *p["size"]) for p in resizes["probes"].values()]
    rows = (
        [
            name,
            version[name]["version"],
            *(_distance_text(of[name]) for of in distance.values()),
            first.get(name),
        ]
        for name in _by_distance(distance)
    )
    columns = ["resize", "version", *sizes, "family of"]
    return _table(columns, rows, ["version", sizes[-1], "family of"])


def _by_distance(distance: Mapping[str, Mapping[str, Document | None]]) -> list[str]:
    """Return the resizes by their mean difference over the images; those without one come last."""

    def mean(name: str) -> float:
        found = [of[name] for of in distance.values()]
        return sum(math.inf if each is None else each["mean"] for each in found)

    return sorted(next(iter(distance.values())), key=mean)


def _farthest(distance: Mapping[str, Mapping[str, Document | None]]) -> _Paragraph:
    known = [name for name in _by_distance(distance) if all(of[name] for of in distance.values())]
    return _Paragraph(f"The farthest from {resize_probes.REFERENCE} is {known[-1]}.")


def _families(counts: Mapping[str, int], family_distance: float) -> _Paragraph:
    return _Paragraph(
        f"The {counts['resizes']} resizes here form {counts['resize_families']} families: a member "
        f"differs from the first one of its family by at most {family_distance} levels on average, "
        "on each image."
    )


def _distance_text(found: Document | None) -> str | None:
    if found is None:
        return None
    return f"{found['mean']:.2f}/{found['maximum']}" if found["maximum"] else "="


def _table(
    header: Sequence[str], rows: Iterable[Sequence[str | None]], optional: Sequence[str]
) -> TextTable:
    """Return a table of names in its first column, with a dash for None."""
    cells = [[[cell or "-"] for cell in row] for row in rows]
    return TextTable(header, cells, optional, names=header[:1])
