"""The plots of the report as PNG files, with matplotlib, which is an extra."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from sysnoise.pipelines.report.gallery import Gallery, spread_indices
from sysnoise.pipelines.report.noise_statistics import (
    HEADINGS,
    STATISTICS,
    statistic_text,
    variant_levels,
)
from sysnoise.pipelines.report.page import Report
from sysnoise.pipelines.report.set_sections import DEFAULT_FACTOR

_ROW_HEIGHT = 0.28
"""The height of a variant's row, in inches."""
MAX_SAMPLES = 4
"""Number of samples that the plot of the gallery shows at most."""


def draw_plots(report: Report) -> dict[str, bytes]:
    """Return the plots, PNG files by name: noise, heat map and, where there is one, the gallery."""
    files = {"noise.png": _noise(report), "heat-map.png": _heat_map(report)}
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


def _heat_map(report: Report) -> bytes:
    """Plot variants by statistics as colors; each column has its own scale."""
    variants = report.found.variants
    figure = Figure(figsize=(9, 1.2 + _ROW_HEIGHT * len(variants)), layout="constrained")
    axes = figure.add_subplot()
    levels = [list(variant_levels(variants, name).values()) for name in STATISTICS]
    axes.imshow(np.transpose(levels), cmap="Blues", vmin=0, vmax=1.6, aspect="auto")
    axes.set_xticks(
        range(len(STATISTICS)), [HEADINGS[name].replace(" (", "\n(") for name in STATISTICS]
    )
    axes.set_yticks(range(len(variants)), list(variants))
    for row, variant in enumerate(variants.values()):
        for column, name in enumerate(STATISTICS):
            text = statistic_text(variant["difference"], name)
            axes.text(column, row, text, ha="center", va="center", fontsize=8)
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
