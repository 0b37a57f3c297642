"""The sections of the report on the set itself: noise, groups, gallery, rejects, environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sysnoise.manifests.manifest import variant_methods
from sysnoise.manifests.plan import stack_variant
from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.stands_for import stands_for_text
from sysnoise.pipelines.report.content import (
    Choice,
    HtmlCell,
    HtmlRow,
    HtmlTable,
    Order,
    Section,
    number_key,
    text_row,
)
from sysnoise.pipelines.report.gallery import (
    Gallery,
    GallerySample,
    StoredPicture,
    stored_picture,
)
from sysnoise.pipelines.report.heat_map import HeatMap, heat_maps
from sysnoise.pipelines.report.noise_statistics import (
    HEADINGS,
    HEAT_STATISTIC,
    STATISTICS,
    statistic,
    statistic_text,
    variant_levels,
)
from sysnoise.pipelines.scoring.totals import SetTotals
from sysnoise.transforms.documents import NamedVariant
from sysnoise.transforms.variant_ids import changed_axes

CHANNELS = ("red", "green", "blue")
"""The channels of the histogram of differences."""
DIFFERENCE_FACTORS = (1, 4, 8, 16, 32)
"""The factors by which the reader can multiply differences, so that they are seen."""
DEFAULT_FACTOR = 8
"""The factor that is chosen at first."""


@dataclass(frozen=True)
class GalleryData:
    """What the script of the page reads of the gallery.

    Attributes:
        variants: the ids of the variants.
        samples: the samples.
        pictures: the distinct pictures.
    """

    variants: Sequence[str]
    samples: Sequence[GallerySample]
    pictures: Sequence[StoredPicture]


@dataclass(frozen=True)
class GalleryContent:
    """The content of the gallery's section.

    Attributes:
        held: ids of the variants whose images are available.
        lacking: ids of the other variants.
        shards: the numbers of the shards that the samples are from.
        choices: the choices of a sample, two variants, and a factor.
        histogram: the table of the histogram, which the script of the page fills.
        data: what the script of the page reads; None where there is nothing to show.
    """

    held: Sequence[str]
    lacking: Sequence[str]
    shards: Sequence[int]
    choices: Sequence[Choice]
    histogram: HtmlTable
    data: GalleryData | None


@dataclass(frozen=True)
class RejectsContent:
    """The content of the section of rejects and fallbacks.

    Attributes:
        rejects: the number of rejects by reason.
        fallbacks: the number of fallbacks by decoder.
    """

    rejects: HtmlTable
    fallbacks: HtmlTable


def set_sections(found: FinishedSet, totals: SetTotals, gallery: Gallery | None) -> list[Section]:
    """Return the sections on a set.

    Args:
        found: the set.
        totals: what its tables add up to.
        gallery: crops; None where there is nothing to show.
    """
    maps = [_heat_table(found, each) for each in heat_maps(found.manifest)]
    return [
        Section("noise", "Noise", list(_noise_tables(found))),
        *([Section("heat-map", "Heat map", maps)] if maps else []),
        Section("identical", "Identical variants", totals.groups),
        Section("gallery", "Gallery", _gallery(found, gallery)),
        Section("rejects", "Rejects and fallbacks", _rejects(totals)),
        Section("environment", "How it was made", list(_environment_tables(found))),
    ]


def _noise_tables(found: FinishedSet) -> Iterator[HtmlTable]:
    noise = found.manifest["noise"]
    columns = [HEADINGS[name] for name in STATISTICS]
    axes = [
        HtmlRow(
            HtmlCell(axis),
            [
                *(HtmlCell(str(noise[axis][name])) for name in ("variants", "images")),
                *_statistic_cells(noise[axis]),
            ],
        )
        for axis in noise
        if noise[axis]["variants"]
    ]
    if axes:
        yield HtmlTable("By axis, pooled", ["axis", "variants", "images", *columns], axes)
    if stacks := found.manifest["grid"].get("variants"):
        yield _stacks_table(found, stacks, columns)
    variants = []
    for variant_id, variant in found.variants.items():
        axis_names = ", ".join(changed_axes(variant_id, found.baseline)) or "baseline"
        cells = [HtmlCell(axis_names), *_statistic_cells(variant["difference"])]
        variants.append(HtmlRow(HtmlCell(variant_id), cells, variant_id == found.baseline))
    yield HtmlTable("By variant", ["variant", "differs in", *columns], variants)


def _stacks_table(
    found: FinishedSet, stacks: Sequence[NamedVariant], columns: Sequence[str]
) -> HtmlTable:
    """Return the stacks with what they stand for."""
    rows = []
    for stack in stacks:
        variant_id = stack_variant(stack)
        notes = [stack["stands_for"]] if "stands_for" in stack else []
        difference = found.variants[variant_id]["difference"]
        cells = [HtmlCell(variant_id), *_statistic_cells(difference)]
        name = HtmlCell(stack["name"], notes, sort_key=stack["name"])
        rows.append(HtmlRow(name, cells, variant_id == found.baseline))
    return HtmlTable("By stack", ["stack", "variant", *columns], rows)


def _statistic_cells(difference: Mapping[str, Any]) -> list[HtmlCell]:
    return [
        HtmlCell(statistic_text(difference, name), sort_key=number_key(statistic(difference, name)))
        for name in STATISTICS
    ]


def _heat_table(found: FinishedSet, heat_map: HeatMap) -> HtmlTable:
    """Return a heat map as a table, colored on the scale of all variants."""
    levels = variant_levels(found.variants, HEAT_STATISTIC)
    rows = [
        HtmlRow(
            HtmlCell(row),
            [
                HtmlCell(
                    statistic_text(found.variants[each]["difference"], HEAT_STATISTIC),
                    level=levels[each],
                )
                for each in (heat_map.variants[row, column] for column in heat_map.columns)
            ],
        )
        for row in heat_map.rows
    ]
    return HtmlTable(heat_map.title, [heat_map.axis, *heat_map.columns], rows, Order.FIXED)


def _gallery(found: FinishedSet, gallery: Gallery | None) -> GalleryContent:
    caption, columns = "Number of values by absolute difference", ["difference", *CHANNELS]
    return GalleryContent(
        found.held,
        [each for each in found.variants if each not in found.held],
        gallery.shards if gallery else (),
        _gallery_choices(found, gallery) if gallery else (),
        HtmlTable(caption, columns, [], Order.FIXED),
        _gallery_data(gallery) if gallery else None,
    )


def _gallery_choices(found: FinishedSet, gallery: Gallery) -> list[Choice]:
    samples = [f"{each.key} ({each.title})" for each in gallery.samples]
    variants = dict(enumerate(gallery.variants))
    factors = {each: str(each) for each in DIFFERENCE_FACTORS}
    return [
        Choice("sample", "Sample", dict(enumerate(samples))),
        Choice("first", "First variant", variants),
        Choice("second", "Second variant", variants, _noisiest(found, gallery.variants)),
        Choice("factor", "Difference times", factors, DEFAULT_FACTOR),
    ]


def _noisiest(found: FinishedSet, variants: Sequence[str]) -> int:
    """Return the index of the variant with the largest mean difference, the first left out."""
    means = [found.variants[each]["difference"]["mean"] or 0 for each in variants]
    return max(range(1, len(variants)), key=means.__getitem__, default=0)


def _gallery_data(gallery: Gallery) -> GalleryData:
    pictures = [stored_picture(each) for each in gallery.pictures]
    return GalleryData(gallery.variants, gallery.samples, pictures)


def _rejects(totals: SetTotals) -> RejectsContent:
    rejects = [text_row(reason, count) for reason, count in totals.rejects.items()]
    fallbacks = [text_row(decoder, count) for decoder, count in totals.fallbacks.items()]
    return RejectsContent(
        HtmlTable("Samples left out of all variants", ["reason", "samples"], rejects),
        HtmlTable(
            "Samples for which a decoder took the baseline's pixels",
            ["decoder", "samples"],
            fallbacks,
        ),
    )


def _environment_tables(found: FinishedSet) -> Iterator[HtmlTable]:
    environment = found.manifest["environment"]
    columns = ["method", "kind", "library", "options", "stands for"]
    yield HtmlTable("Methods", columns, list(_method_rows(found)))
    libraries = [
        text_row(name, build["version"], _pairs(build, "version"))
        for name, build in environment["libraries"].items()
    ]
    yield HtmlTable("Libraries", ["library", "version", "build"], libraries, Order.FIXED)
    packages = [text_row(*each) for each in environment["packages"].items()]
    yield HtmlTable("Packages", ["package", "version"], packages)
    generator = found.manifest["generator"]
    machine = {
        "generator": f"{generator['name']} {generator['version']}",
        "Python": environment["python"],
        "system": " ".join(environment["os"].values()),
        "CPU": environment["cpu"]["architecture"],
        "CPU features": ", ".join(environment["cpu"]["features"]),
        "manifest": found.manifest["checksum"],
    }
    rows = [text_row(*each) for each in machine.items()]
    yield HtmlTable("Machine", ["what", "value"], rows, Order.FIXED)


def _method_rows(found: FinishedSet) -> Iterator[HtmlRow]:
    """Yield the methods of all variants, each once, and the image format."""
    methods: dict[tuple[str, str], Mapping[str, Any]] = {}
    for variant in found.manifest["variants"]:
        for axis, each in variant_methods(variant).items():
            methods.setdefault((axis, each["name"]), each)
    image_format = found.manifest["image_format"]
    methods["image format", image_format["name"]] = image_format
    for (kind, name), method in methods.items():
        library = f"{method['library']} {method['build']['version']}"
        yield text_row(name, kind, library, _pairs(method["options"]), stands_for_text(kind, name))


def _pairs(values: Mapping[str, object], *left_out: str) -> str:
    return "; ".join(
        f"{name} {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in values.items()
        if name not in left_out
    )
