"""The report as one HTML page that needs no network: sections, rendered by a function each."""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.resources
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sysnoise.manifests.manifest import variant_method
from sysnoise.manifests.publication import set_title
from sysnoise.manifests.reading import FinishedSet
from sysnoise.pipelines.report.collect import changed_axes
from sysnoise.pipelines.report.evaluation import Evaluation, evaluation_sections
from sysnoise.pipelines.report.gallery import SIDE, Gallery, stored_picture
from sysnoise.pipelines.report.markup import (
    Order,
    breakable,
    cell,
    code,
    name_cell,
    options,
    script_json,
    select,
    table,
    text_cell,
)
from sysnoise.pipelines.report.noise_statistics import (
    HEADINGS,
    STATISTICS,
    statistic,
    statistic_text,
    variant_levels,
)
from sysnoise.pipelines.scoring.tables import Tables
from sysnoise.transforms.methods import AXES

CHANNELS = ("red", "green", "blue")
FACTORS = (1, 4, 8, 16, 32)
FACTOR = 8


@dataclass(frozen=True)
class Report:
    """What the page shows.

    Attributes:
        found: the set.
        tables: what its tables add up to.
        gallery: crops; None where no image is at hand, or no sample was accepted.
        evaluation: what models said of the set; None without predictions.
    """

    found: FinishedSet
    tables: Tables
    gallery: Gallery | None
    evaluation: Evaluation | None


@dataclass(frozen=True)
class Section:
    """A section of the page: its anchor, heading, and function that renders the rest."""

    anchor: str
    heading: str
    render: Callable[[Report], str]


def render_page(report: Report) -> str:
    """Return the page; the same report gives the same text."""
    title = html.escape(set_title(report.found.manifest))
    script = f"\n{_asset('page.js')}"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    contents = [(each.anchor, each.heading, each.render(report)) for each in SECTIONS]
    if report.evaluation is not None:
        contents = [*evaluation_sections(report.evaluation), *contents]
    links = "".join(
        f'<li><a href="#{anchor}">{heading}</a></li>' for anchor, heading, _ in contents
    )
    sections = "".join(
        f'<section id="{anchor}" aria-labelledby="{anchor}-heading">'
        f'<h2 id="{anchor}-heading">{heading}</h2>{content}</section>\n'
        for anchor, heading, content in contents
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n"
        f"<style>\n{_asset('page.css')}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n"
        f"{_facts(report.found)}\n</header>\n"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n<main>\n{sections}</main>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _asset(name: str) -> str:
    return (importlib.resources.files("sysnoise.pipelines.report") / name).read_text("utf-8")


def _facts(found: FinishedSet) -> str:
    counts, grid = found.manifest["counts"], found.manifest["grid"]
    size = ", ".join(f"{name} {value}" for name, value in grid["geometry"].items())
    facts = {
        "samples": f"{counts['samples']:,}",
        "variants": f"{counts['variants']:,}",
        "rejects": f"{counts['rejects']:,}",
        "shards": f"{counts['shards']:,}",
        "size": f"{counts['bytes'] / 1e6:,.1f} MB",
        "grid": grid["name"],
        "geometry": size,
        "baseline": found.baseline,
    }
    items = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{breakable(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f'<dl class="facts">{items}</dl>'


def _statistic_cells(difference: Mapping[str, Any]) -> list[str]:
    cells = []
    for name in STATISTICS:
        value = statistic(difference, name)
        data = ' data-value=""' if value is None else f' data-value="{value!r}"'
        cells.append(cell(statistic_text(difference, name), data))
    return cells


def _noise(report: Report) -> str:
    manifest = report.found.manifest
    axes = [
        [name_cell(axis), cell(each["variants"]), cell(each["images"]), *_statistic_cells(each)]
        for axis, each in ((axis, manifest["noise"][axis]) for axis in AXES)
    ]
    variants = report.found.variants
    rows = []
    for variant_id, variant in variants.items():
        marks = " data-baseline" if variant_id == report.found.baseline else ""
        changed = changed_axes(variant, variants[report.found.baseline])
        rows.append(
            [
                name_cell(variant_id, marks),
                text_cell(", ".join(changed) or "baseline"),
                *_statistic_cells(variant["difference"]),
            ]
        )
    headings = [HEADINGS[name] for name in STATISTICS]
    return (
        "<p>Differences from the baseline in levels of 0 to 255, over all samples but fallbacks: "
        "mean and largest absolute difference of a value, PSNR of the pooled squared error, share "
        "of pixels in which any channel differs, share of images without any difference.</p>\n"
        + table("By axis, pooled", ["axis", "variants", "images", *headings], axes)
        + table("By variant", ["variant", "differs in", *headings], rows)
    )


def _heat_map(report: Report) -> str:
    variants = report.found.variants
    levels = {name: variant_levels(variants, name) for name in STATISTICS}
    rows = [
        [
            name_cell(variant_id),
            *(
                cell(
                    statistic_text(variant["difference"], name),
                    f' class="heat" style="--level: {levels[name][variant_id]:.3f}"',
                )
                for name in STATISTICS
            ),
        ]
        for variant_id, variant in variants.items()
    ]
    headings = ["variant", *(HEADINGS[name] for name in STATISTICS)]
    return (
        "<p>The stronger the color, the more noise; each column has its own scale, from its least "
        "to its most noisy variant.</p>\n"
        + table("Variants by statistics", headings, rows, Order.FIXED)
    )


def _groups(report: Report) -> str:
    if not report.tables.groups:
        return "<p>No two variants have the same pixels on every sample.</p>\n"
    items = "".join(f"<li>{', '.join(map(code, group))}</li>\n" for group in report.tables.groups)
    return (
        "<p>The variants of a group have the same pixels on every sample, by their digests; images "
        "for which a decoder took the baseline's pixels count as they are stored.</p>\n"
        f"<ul>\n{items}</ul>\n"
    )


def _gallery(report: Report) -> str:
    gallery = report.gallery
    if gallery is None:
        return f'<p class="note">{_nothing(report.found)}</p>\n'
    data = {
        "variants": gallery.variants,
        "samples": [vars(sample) for sample in gallery.samples],
        "pictures": [stored_picture(each) for each in gallery.pictures],
    }
    samples = options(f"{each.key} ({each.title})" for each in gallery.samples)
    first = options(gallery.variants)
    second = options(gallery.variants, _noisiest(report.found, gallery.variants))
    factors = options(FACTORS, FACTORS.index(FACTOR), FACTORS)
    return (
        f"{_lacking(report.found, gallery)}{_choice(gallery)}"
        "<noscript><p>The gallery needs JavaScript.</p></noscript>\n"
        '<div class="controls">\n'
        f"{select('sample', 'Sample', samples)}"
        f"{select('first', 'First variant', first)}{select('second', 'Second variant', second)}"
        f"{select('factor', 'Difference times', factors)}"
        '</div>\n<div id="gallery-view">\n<div class="pictures">\n'
        f"{_figure('first')}{_figure('second')}{_figure('difference')}</div>\n"
        '<p id="difference-text" aria-live="polite"></p>\n'
        '<figure class="histogram" id="histogram-figure">\n'
        '<svg id="histogram" role="img" '
        'aria-label="Histogram of the differences: number of values, red, green and blue"></svg>'
        "<figcaption>number of values (logarithmic) by absolute difference: red, green and blue"
        f"</figcaption></figure>\n{_COUNTS}</div>\n"
        f'<script type="application/json" id="gallery-data">{script_json(data)}</script>\n'
    )


def _nothing(found: FinishedSet) -> str:
    """Say why there is no gallery."""
    if found.held:
        return "The samples that would be shown were left out of all variants."
    return (
        "There are no images here, so that there is nothing to see. <code>sysnoise fetch</code> "
        "brings variants of a set that was published with images."
    )


def _lacking(found: FinishedSet, gallery: Gallery) -> str:
    """Say which variants have no images here, and whether there is a pair to compare."""
    absent = [each for each in found.variants if each not in found.held]
    parts = []
    if absent:
        items = "".join(f"<li>{code(each)}</li>" for each in absent)
        parts.append(
            f'<details id="lacking" class="note"><summary>This copy holds no images of '
            f"{len(absent)} of {len(found.variants)} variants</summary><ul>{items}</ul></details>\n"
        )
    if len(gallery.variants) < 2:
        parts.append(
            '<p class="note">Only one variant is shown, so that there is no difference.</p>\n'
        )
    return "".join(parts)


def _choice(gallery: Gallery) -> str:
    """Say what the gallery shows, and how that was chosen."""
    count = len(gallery.shards)
    shards = f"shard{'s' if count > 1 else ''} {', '.join(map(str, gallery.shards))}"
    return (
        f"<p>The middle of {len(gallery.samples)} samples, up to {SIDE} x {SIDE} pixels, in "
        f"{len(gallery.variants)} variants. The pictures are lossless, and the difference is that "
        f"of the pixels shown.</p>\n<p>The samples are evenly spread, in key order, over {shards}. "
        "Without <code>--variant</code>, the variants are the baseline and those with the largest "
        "mean difference, by turns of each axis; of variants with the same pixels, one.</p>\n"
    )


def _noisiest(found: FinishedSet, variants: Sequence[str]) -> int:
    """Return the place of the variant with the largest mean difference, the first left out."""
    means = [found.variants[each]["difference"]["mean"] or 0 for each in variants]
    return max(range(1, len(variants)), key=means.__getitem__, default=0)


_COUNTS = (
    '<details id="counts"><summary>The numbers of the histogram</summary>'
    + table("Number of values by absolute difference", ["difference", *CHANNELS], [], Order.FIXED)
    + "</details>\n"
)


def _figure(name: str) -> str:
    return (
        f'<figure id="{name}-figure">'
        f'<canvas id="{name}-picture" width="{SIDE}" height="{SIDE}" role="img"></canvas>'
        f'<figcaption id="{name}-caption"></figcaption></figure>\n'
    )


def _rejects(report: Report) -> str:
    rejects, fallbacks = report.tables.rejects, report.tables.fallbacks
    parts = []
    if rejects:
        rows = [[name_cell(reason), cell(count)] for reason, count in rejects.items()]
        parts.append(table("Samples left out of all variants", ["reason", "samples"], rows))
    else:
        parts.append("<p>No sample was left out.</p>\n")
    if fallbacks:
        rows = [[name_cell(decoder), cell(count)] for decoder, count in fallbacks.items()]
        caption = "Samples for which a decoder took the baseline's pixels"
        parts.append(table(caption, ["decoder", "samples"], rows))
    else:
        parts.append("<p>No decoder took the baseline's pixels for any sample.</p>\n")
    return "".join(parts)


def _environment(report: Report) -> str:
    manifest = report.found.manifest
    environment = manifest["environment"]
    methods: dict[tuple[str, str], Mapping[str, Any]] = {}
    for variant in manifest["variants"]:
        for axis in AXES:
            methods.setdefault(
                (axis, variant_method(variant, axis)["name"]), variant_method(variant, axis)
            )
    methods["image format", manifest["image_format"]["name"]] = manifest["image_format"]
    rows = [
        [
            name_cell(name),
            text_cell(kind),
            text_cell(f"{method['library']} {method['build']['version']}"),
            text_cell(_pairs(method["options"])),
        ]
        for (kind, name), method in methods.items()
    ]
    libraries = [
        [name_cell(name), text_cell(build["version"]), text_cell(_pairs(build, "version"))]
        for name, build in environment["libraries"].items()
    ]
    packages = [[name_cell(name), text_cell(v)] for name, v in environment["packages"].items()]
    about = {
        "generator": f"{manifest['generator']['name']} {manifest['generator']['version']}",
        "Python": environment["python"],
        "system": " ".join(environment["os"].values()),
        "CPU": environment["cpu"]["architecture"],
        "CPU features": ", ".join(environment["cpu"]["features"]),
        "manifest": manifest["checksum"],
    }
    machine = [[name_cell(name), text_cell(value)] for name, value in about.items()]
    return (
        table("Methods", ["method", "kind", "library", "options"], rows)
        + table("Libraries", ["library", "version", "build"], libraries, Order.FIXED)
        + table("Packages", ["package", "version"], packages)
        + table("Machine", ["what", "value"], machine, Order.FIXED)
    )


def _pairs(values: Mapping[str, Any], *left_out: str) -> str:
    return "; ".join(
        f"{name} {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in values.items()
        if name not in left_out
    )


SECTIONS = (
    Section("noise", "Noise", _noise),
    Section("heat-map", "Heat map", _heat_map),
    Section("identical", "Identical variants", _groups),
    Section("gallery", "Gallery", _gallery),
    Section("rejects", "Rejects and fallbacks", _rejects),
    Section("environment", "How it was made", _environment),
)
