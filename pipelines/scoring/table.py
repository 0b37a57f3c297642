"""The paper's table from the figures of settings: means, worst methods, and the stack of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sysnoise.manifests.settings import IMAGE_NOISES, Noise, Setting
from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.scoring.records import (
    Counting,
    DetectedBoxes,
    Figures,
    PredictedClasses,
    Scored,
)
from sysnoise.pipelines.scoring.statistics import interval, sample_deviation

UNSTACKED_NOISES = (Noise.FP16, Noise.SOURCE, Noise.GEOMETRY, Noise.PROVIDER)
"""The noises that are not stacked, as in the paper (figure 3): a model runs in one precision, and
sources, geometries and providers are not the paper's."""


@dataclass(frozen=True)
class Score:
    """The figures of a setting of a model, compared with the baseline's.

    Attributes:
        setting: the id of the setting.
        metrics: the metrics in percent by name, the table's own first; None where one has no value.
        delta: the baseline's metric minus the setting's, in points.
        interval: the limits of the delta, by bootstrap over images; None where there are none.
        flip_rate: the share of images, in percent, whose class is not the baseline's; None for
            detection.
        mcnemar_p: the exact two-sided p against the baseline; None for detection.
    """

    setting: str
    metrics: Mapping[str, float | None]
    delta: float
    interval: tuple[float, float] | None
    flip_rate: float | None
    mcnemar_p: float | None


@dataclass(frozen=True)
class MethodScore:
    """The score of the setting that differs from the baseline in one method alone.

    Attributes:
        method: the name of the method.
        same_as: the method before it, or the baseline's, that has the same pixels on every image.
        score: the score of the setting.
    """

    method: str
    same_as: str | None
    score: Score


@dataclass(frozen=True)
class NoiseCell:
    """A noise of a model: a cell of the paper's table.

    Attributes:
        noise: the noise, whose name is the column's.
        methods: all its methods that there are predictions of, in the order of the grid.
        counted: those methods that the figures are over.
        mean: the mean of their deltas; None where no method counts.
        deviation: their sample standard deviation (n - 1); None for fewer than two methods.
        interval: the limits of the mean; None where there are none.
        worst: the method with the largest delta, the first of equal ones.
    """

    noise: Noise
    methods: tuple[MethodScore, ...]
    counted: tuple[MethodScore, ...]
    mean: float | None
    deviation: float | None
    interval: tuple[float, float] | None
    worst: MethodScore | None

    @property
    def distinct(self) -> int:
        """Number of methods that have pixels of their own."""
        return sum(each.same_as is None for each in self.methods)


@dataclass(frozen=True)
class Step:
    """A step of the stack: one more noise on top of those before.

    Attributes:
        noise: the noise that is added.
        method: its worst method.
        setting: the id of the setting that has all noises so far.
        score: the score of that setting; None where it is not among the predictions.
        held: whether the set has the setting's variant.
    """

    noise: Noise
    method: str
    setting: str
    score: Score | None
    held: bool


@dataclass(frozen=True)
class ModelRow:
    """A model: a row of the table.

    Attributes:
        model: the name of the model.
        images: the number of images that were scored.
        trained: the metrics of the baseline.
        cells: the noises that there are predictions of, in the order of the columns.
        steps: the steps of the stack.
        others: the scores of settings that differ from the baseline in several noises.
        notes: what a reader of the row has to know.
        predicted: what is behind the figures; None where a detector finds masks alone.
    """

    model: str
    images: int
    trained: Mapping[str, float | None]
    cells: tuple[NoiseCell, ...]
    steps: tuple[Step, ...]
    others: tuple[Score, ...]
    notes: tuple[str, ...]
    predicted: PredictedClasses | DetectedBoxes | None

    @property
    def combined(self) -> Score | None:
        """The end of the stack; None where there is none, or it is not among the predictions."""
        return self.steps[-1].score if self.steps else None

    @property
    def scores(self) -> tuple[Score, ...]:
        """The scores of all settings except the baseline."""
        single = tuple(each.score for cell in self.cells for each in cell.methods)
        return single + self.others

    def cell(self, noise: Noise) -> NoiseCell | None:
        """Return the cell of a noise; None where there are no predictions of it alone."""
        return next((each for each in self.cells if each.noise is noise), None)


@dataclass(frozen=True)
class _ModelSettings:
    """What the figures of a model's row are made from.

    Attributes:
        baseline: the setting that the others are compared with.
        figures: the figures of every setting, in the order of the grid, then of the names.
        variants: ids of the set's variants, in the order of the grid.
        first_alike: the first of the variants that have the same pixels on every image, by each of
            them; the baseline, where it is among them.
        counting: which methods count.
    """

    baseline: Setting
    figures: Mapping[Setting, Figures]
    variants: Sequence[str]
    first_alike: Mapping[str, str]
    counting: Counting

    def pixels(self, variant: str) -> str:
        """Return the variant that stands for all variants with the same pixels."""
        return self.first_alike.get(variant, variant)

    def changes(self, setting: Setting) -> tuple[Noise, ...]:
        """Return the noises in which a setting differs from the baseline."""
        return setting.changes(self.baseline)

    def score(self, setting: Setting) -> Score:
        """Compare the figures of a setting with the baseline's."""
        figures, baseline = self.figures[setting], self.figures[self.baseline]
        return Score(
            setting.id,
            figures.metrics,
            baseline.metric - figures.metric,
            interval(baseline.replicates - figures.replicates),
            figures.flip_rate,
            figures.mcnemar_p,
        )


def build_row(
    model: str,
    scored: Scored,
    variants: Sequence[str],
    baseline: str,
    groups: Sequence[Sequence[str]],
    counting: Counting,
) -> ModelRow:
    """Build the row of a model.

    Args:
        model: the name of the model.
        scored: its figures.
        variants: ids of the set's variants, in the order of the grid.
        baseline: id of the baseline's variant.
        groups: ids of variants that have the same pixels on every image, in the order of the grid.
        counting: which methods count.
    """
    settings = _ModelSettings(
        Setting(baseline),
        _in_grid_order(scored.settings, variants),
        variants,
        _first_alike(groups, baseline),
        counting,
    )
    cells = tuple(_cells(settings))
    others = (each for each in settings.figures if len(settings.changes(each)) > 1)
    return ModelRow(
        model,
        scored.images,
        settings.figures[settings.baseline].metrics,
        cells,
        tuple(_steps(settings, cells)),
        tuple(map(settings.score, others)),
        (*scored.notes, *_unrepeated(settings), *_lacking(settings)),
        scored.predicted,
    )


def _in_grid_order(
    figures: Mapping[Setting, Figures], variants: Sequence[str]
) -> dict[Setting, Figures]:
    def position(setting: Setting) -> tuple[int, tuple[str, ...]]:
        return variants.index(setting.variant), setting.methods

    return {setting: figures[setting] for setting in sorted(figures, key=position)}


def _first_alike(groups: Sequence[Sequence[str]], baseline: str) -> dict[str, str]:
    return {
        variant: baseline if baseline in group else group[0]
        for group in groups
        for variant in group
    }


def _cells(settings: _ModelSettings) -> Iterator[NoiseCell]:
    """Yield the noises that there are predictions of."""
    for noise in Noise:
        by_method = {
            method: setting
            for setting in settings.figures
            if settings.changes(setting) == (noise,) and (method := setting.method(noise))
        }
        if by_method:
            yield _cell(settings, noise, by_method)


def _cell(settings: _ModelSettings, noise: Noise, by_method: Mapping[str, Setting]) -> NoiseCell:
    """Return the cell of a noise from the settings that differ in it alone, by their methods."""
    methods = tuple(_method_scores(settings, noise, by_method))
    counts_all = settings.counting is Counting.ALL
    counted = tuple(each for each in methods if counts_all or each.same_as is None)
    if not counted:
        return NoiseCell(noise, methods, (), None, None, None, None)
    deltas = [each.score.delta for each in counted]
    replicates = [settings.figures[by_method[each.method]].replicates for each in counted]
    baseline = settings.figures[settings.baseline]
    return NoiseCell(
        noise,
        methods,
        counted,
        mean=float(np.mean(deltas)),
        deviation=sample_deviation(deltas),
        interval=interval(baseline.replicates - np.mean(replicates, axis=0)),
        worst=max(counted, key=lambda each: each.score.delta),
    )


def _method_scores(
    settings: _ModelSettings, noise: Noise, by_method: Mapping[str, Setting]
) -> Iterator[MethodScore]:
    """Yield the methods of a noise; those in the image are compared by their pixels."""
    first_methods = {settings.baseline.variant: settings.baseline.method(noise)}
    for method, setting in by_method.items():
        same_as = None
        if noise in IMAGE_NOISES:
            pixels = settings.pixels(setting.variant)
            same_as = first_methods.get(pixels)
            first_methods.setdefault(pixels, method)
        yield MethodScore(method, same_as, settings.score(setting))


def _steps(settings: _ModelSettings, cells: Sequence[NoiseCell]) -> Iterator[Step]:
    """Yield the stack: each noise's worst method on top of those of the columns before."""
    setting = settings.baseline
    for cell in cells:
        if cell.worst is None or cell.noise in UNSTACKED_NOISES:
            continue
        setting = setting.with_method(cell.noise, cell.worst.method)
        yield Step(
            cell.noise,
            cell.worst.method,
            setting.id,
            settings.score(setting) if setting in settings.figures else None,
            held=setting.variant in settings.variants,
        )


def _unrepeated(settings: _ModelSettings) -> Iterator[str]:
    """Yield notes on settings whose figures differ although their pixels do not."""
    first_settings: dict[tuple[str, tuple[str, ...]], Setting] = {}
    for setting in (settings.baseline, *settings.figures):
        pixels = settings.pixels(setting.variant)
        first = first_settings.setdefault((pixels, setting.methods), setting)
        metric, first_metric = (settings.figures[each].metric for each in (setting, first))
        if metric != first_metric:
            yield (
                f"{setting.id!r} and {first.id!r} have the same pixels and other figures, "
                f"{metric:.4f} and {first_metric:.4f}: the predictions do not repeat"
            )


def _lacking(settings: _ModelSettings) -> Iterator[str]:
    """Yield a note on variants of one noise whose pixels no prediction is of, if there are any."""
    predicted = {
        settings.pixels(setting.variant) for setting in settings.figures if not setting.methods
    }
    lacking = [
        variant
        for variant in settings.variants
        if len(settings.changes(Setting(variant))) == 1
        and settings.pixels(variant) not in predicted
    ]
    if lacking:
        yield f"no predictions of variants that differ in one noise: {quoted(lacking)}"
