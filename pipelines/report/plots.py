"""The plots of the report as PNG files, with matplotlib, which is an extra."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from sysnoise.pipelines.report.gallery import Gallery, spread_indices
from sysnoise.pipelines.report.heat_map import HeatMap, heat_maps
from sysnoise.pipelines.report.noise_statistics import (
    HEAT_STATISTIC,
    statistic_text,
    variant_levels,
)
from sysnoise.pipelines.report.page import Report
from sysnoise.pipelines.report.set_sections import DEFAULT_FACTOR

_ROW_HEIGHT = 0.28
"""The height of a row of names, in inches."""
_NAMES_HEIGHT = 1.6
"""The height of a heat map's title and of the names below it, in inches."""
MAX_SAMPLES = 4
"""Number of samples that the plot of the gallery shows at most."""


def draw_plots(report: Report) -> dict[str, bytes]:
    """Return the plots, PNG files by name: noise, and heat map and gallery where there are any."""
    files = {"noise.png": _noise(report)}
    if maps := heat_maps(report.found.manifest):
        files["heat-map.png"] = _heat_plot(report, maps)
    if report.gallery is not None:
        files["gallery.png"] = _gallery_plot(report.gallery)
    return files


def _noise(report: Report) -> bytes:
    """Plot the mean absolute difference of each variant from the baseline as bars."""
    variants = report.found.variants
    means = [variant["difference"]["mean"] or 0 for variant in variants.values()]
    figure = Figure(figsize=(9, 1.2 + _ROW_HEIGHT * len(variants)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(list(variants), means, color="#0b5394")
    axes.invert_yaxis()
    axes.set_xlabel("mean absolute difference from the baseline, in levels of 0 to 255")
    axes.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def _heat_plot(report: Report, maps: Sequence[HeatMap]) -> bytes:
    """Plot the mean difference of methods by methods as colors, one map below the other."""
    variants = report.found.variants
    levels = variant_levels(variants, HEAT_STATISTIC)
    height = _NAMES_HEIGHT + _ROW_HEIGHT * len(maps[0].rows)
    size = (4 + 1.2 * len(maps[0].columns), height * len(maps))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(maps), squeeze=False)
    for axes, each in zip(grid[:, 0], maps, strict=True):
        axes.imshow(
            [[levels[each.variants[row, column]] for column in each.columns] for row in each.rows],
            cmap="Blues",
            vmin=0,
            vmax=1.6,
            aspect="auto",
        )
        axes.set_title(each.title)
        axes.set_xticks(range(len(each.columns)), each.columns, rotation=30, ha="right")
        axes.set_yticks(range(len(each.rows)), each.rows)
        for (row, column), variant in each.variants.items():
            text = statistic_text(variants[variant]["difference"], HEAT_STATISTIC)
            place = each.columns.index(column), each.rows.index(row)
            axes.text(*place, text, ha="center", va="center", fontsize=8)
    return _png(figure)


def _gallery_plot(gallery: Gallery) -> bytes:
    """Plot a row per variant: crops of some samples, each beside its difference from the first row.

    Images of another size than in the first row have no difference.
    """
    samples = [gallery.samples[each] for each in spread_indices(len(gallery.samples), MAX_SAMPLES)]
    rows, columns = len(gallery.variants), 2 * len(samples)
    figure = Figure(figsize=(2.6 + 1.1 * columns, 0.6 + 1.15 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for row, variant in enumerate(gallery.variants):
        grid[row, 0].set_ylabel(variant.replace("/", "\n"), rotation=0, ha="right", va="center")
        for index, sample in enumerate(samples):
            first, pixels = (gallery.pictures[sample.pictures[each]] for each in (0, row))
            grid[row, 2 * index].imshow(pixels, interpolation="nearest")
            if sample.sizes[row] == sample.sizes[0]:
                change = np.minimum(255, np.abs(pixels.astype(int) - first) * DEFAULT_FACTOR)
                grid[row, 2 * index + 1].imshow(change.astype(np.uint8), interpolation="nearest")
            for axes in grid[row, 2 * index : 2 * index + 2]:
                axes.set(xticks=[], yticks=[])
            if row == 0:
                grid[0, 2 * index].set_title(sample.key, fontsize=8)
                grid[0, 2 * index + 1].set_title(f"difference x {DEFAULT_FACTOR}", fontsize=8)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    with mpl.rc_context({"font.size": 9}):
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
