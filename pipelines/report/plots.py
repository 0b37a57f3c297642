"""The plots of the report as PNG files, with matplotlib, which is an extra."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sysnoise.manifests.plan import stack_names, stack_variants
from sysnoise.pipelines.report.bars import BarChart, BarsContent, loss_bars
from sysnoise.pipelines.report.curve import Chart
from sysnoise.pipelines.report.evaluation import stack_charts
from sysnoise.pipelines.report.gallery import Gallery, spread_indices
from sysnoise.pipelines.report.heat_map import HeatMap, heat_maps
from sysnoise.pipelines.report.noise_statistics import (
    HEAT_STATISTIC,
    statistic_text,
    variant_levels,
)
from sysnoise.pipelines.report.page import Report
from sysnoise.pipelines.report.set_sections import DEFAULT_FACTOR
from sysnoise.pipelines.scoring.blocks import CHANCE_MARK
from sysnoise.pipelines.scoring.compose import Table

_ROW_HEIGHT = 0.28
"""The height of a row of names, in inches."""
_NAMES_HEIGHT = 1.6
"""The height of a heat map's title and of the names below it, in inches."""
_BLUE, _PALE_BLUE = "#0b5394", "#9fc5e8"
"""The colors of bars: of losses, and of those that may be chance."""
_ALIGNMENTS = {"start": "left", "middle": "center", "end": "right"}
"""Matplotlib's names of SVG's anchors of texts."""
_LONGEST_NAME = 40
"""Number of characters of a name that stands on one line beside its bar."""
MAX_SAMPLES = 4
"""Number of samples that the plot of the gallery shows at most."""


def draw_plots(report: Report) -> dict[str, bytes]:
    """Return the plots, PNG files by name.

    There is always one of the noise; of the others, those that the page has: the loss in each
    setting, the loss as noises stack up, the heat maps and the gallery.
    """
    stacks = stack_names(stack_variants(report.found.manifest["grid"]))
    files = {"noise.png": _noise(report, stacks)}
    if report.evaluation is not None:
        files |= dict(_evaluation_plots(report.evaluation.table))
    if maps := heat_maps(report.found.manifest):
        files["heat-map.png"] = _heat_plot(report, maps)
    if report.gallery is not None:
        files["gallery.png"] = _gallery_plot(report.gallery, stacks)
    return files


def _noise(report: Report, stacks: Mapping[str, str]) -> bytes:
    """Plot the mean absolute difference of each variant from the baseline as bars."""
    variants = report.found.variants
    means = [variant["difference"]["mean"] or 0 for variant in variants.values()]
    figure = _bar_figure([len(variants)])
    axes = figure.add_subplot()
    axes.barh(range(len(means)), means, color=_BLUE)
    _name_rows(axes, [stacks.get(variant, variant) for variant in variants])
    figure.supxlabel(
        "mean absolute difference from the baseline, in levels of 0 to 255", fontsize="medium"
    )
    return _png(figure)


def _bar_figure(rows: Sequence[int]) -> Figure:
    """Return a figure for bar charts below each other, of some rows each."""
    height = sum(1.2 + _ROW_HEIGHT * each for each in rows)
    return Figure(figsize=(9, height), layout="constrained")


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Write the names of the bars beside them, the first at the top."""
    axes.set_yticks(range(len(names)), [_wrapped(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _wrapped(name: str) -> str:
    """Return a name on two lines where it would leave little room for the plot."""
    if len(name) <= _LONGEST_NAME:
        return name
    middle = len(name) // 2
    ends = [place for place, each in enumerate(name, 1) if each in "/-, " and place < len(name)]
    end = min(ends, key=lambda each: abs(each - middle), default=middle)
    return f"{name[:end]}\n{name[end:]}"


def _evaluation_plots(table: Table) -> Iterator[tuple[str, bytes]]:
    """Yield the plots of the predictions of models, with their names."""
    if bars := loss_bars(table):
        yield "loss.png", _loss_plot(bars)
    if charts := stack_charts(table):
        yield "stacked-noises.png", _curve_plot(charts)


def _loss_plot(content: BarsContent) -> bytes:
    """Plot the loss in each setting as bars with intervals, one chart per model."""
    figure = _bar_figure([len(chart.bars) for chart in content.charts])
    heights = [len(chart.bars) + 1 for chart in content.charts]
    grid = figure.subplots(len(heights), squeeze=False, height_ratios=heights)
    for axes, chart in zip(grid[:, 0], content.charts, strict=True):
        _draw_bars(axes, chart)
        axes.axvline(content.zero, color="black", linewidth=0.8)
        axes.set_xticks(*zip(*content.marks, strict=True))
        axes.set_xlim(0, 100)
    chance = f"; {CHANCE_MARK}, pale: the interval covers zero"
    label = f"loss of {content.metric} in points, with its interval{chance}"
    figure.supxlabel(label, fontsize="medium")
    return _png(figure)


def _draw_bars(axes: Axes, chart: BarChart) -> None:
    for row, bar in enumerate(chart.bars):
        color = _PALE_BLUE if bar.is_chance else _BLUE
        axes.barh(row, bar.bar.width, left=bar.bar.left, color=color)
        if bar.whisker is not None:
            axes.hlines(row, bar.whisker.left, bar.whisker.left + bar.whisker.width, color="black")
    _name_rows(axes, [f"{bar.stack or bar.setting}  {bar.loss}" for bar in chart.bars])
    axes.set_title(chart.model)


def _curve_plot(charts: Sequence[Chart]) -> bytes:
    """Plot the loss as noises stack up, one chart per model; a missing step breaks the line."""
    figure = Figure(figsize=(9, 3.6 * len(charts)), layout="constrained")
    grid = figure.subplots(len(charts), squeeze=False)
    for axes, chart in zip(grid[:, 0], charts, strict=True):
        for points in chart.lines:
            places = [each.x for each in points], [each.y for each in points]
            axes.plot(*places, marker="o", color=_BLUE)
            for each in points:
                axes.text(each.x, each.text_y, each.text, ha=_ALIGNMENTS[each.anchor])
        axes.set_xticks(*zip(*chart.steps, strict=True))
        axes.set_yticks(*zip(*chart.marks, strict=True))
        axes.set_ylim(chart.names_y, 0)
        axes.set_title(chart.model)
        axes.spines[["top", "right"]].set_visible(False)
    figure.supylabel("loss in points", fontsize="medium")
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


def _gallery_plot(gallery: Gallery, stacks: Mapping[str, str]) -> bytes:
    """Plot a row per variant: crops of some samples, each beside its difference from the first row.

    Images of another size than in the first row have no difference.
    """
    samples = [gallery.samples[each] for each in spread_indices(len(gallery.samples), MAX_SAMPLES)]
    rows, columns = len(gallery.variants), 2 * len(samples)
    figure = Figure(figsize=(2.6 + 1.1 * columns, 0.6 + 1.15 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for row, variant in enumerate(gallery.variants):
        name = stacks.get(variant, variant.replace("/", "\n"))
        grid[row, 0].set_ylabel(name, rotation=0, ha="right", va="center")
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
