"""The paper's table from the figures of settings: means, worst methods, and the stack of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sysnoise.manifests.settings import IMAGE_NOISES, Noise, Setting
from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.scoring.records import Counting, Figures, PredictedClasses, Scored
from sysnoise.pipelines.scoring.statistics import Replicates, interval, sample_deviation

UNSTACKED = Noise.FP16
"""Left out of the stack, as in the paper (figure 3): a model runs in one precision."""


@dataclass(frozen=True)
class Score:
    """What a setting of a model comes to, beside the baseline.

    Attributes:
        setting: its id.
        metrics: in percent by name, the table's own first; None where one has no value.
        delta: the baseline's metric minus the setting's, in points.
        interval: of the delta, by bootstrap over images; None where it has none.
        flip_rate: share of images, in percent, whose class is not the baseline's; None of
            detection.
        mcnemar_p: exact two-sided p against the baseline; None of detection.
    """

    setting: str
    metrics: Mapping[str, float | None]
    delta: float
    interval: tuple[float, float] | None
    flip_rate: float | None
    mcnemar_p: float | None


@dataclass(frozen=True)
class MethodScore:
    """A method of a noise alone.

    Attributes:
        method: its name.
        same_as: the method before it, or the baseline's, that has the same pixels on every image.
        score: of its setting.
    """

    method: str
    same_as: str | None
    score: Score


@dataclass(frozen=True)
class Cell:
    """A noise of a model.

    Attributes:
        noise: which.
        methods: all that there are predictions of, in the order of the grid.
        counted: those that the figures are over.
        mean: of their deltas; None where none counts.
        deviation: sample standard deviation (n - 1); None of fewer than two.
        interval: of the mean; None where it has none.
        worst: the one with the largest delta, the first of equal ones.
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
        noise: that is added.
        method: its worst one.
        setting: id of the setting of all noises so far.
        score: of it; None where it is not among the predictions.
        held: whether the set has its variant.
    """

    noise: Noise
    method: str
    setting: str
    score: Score | None
    held: bool


@dataclass(frozen=True)
class Row:
    """A model.

    Attributes:
        model: its name.
        images: number of images that were scored.
        trained: the baseline's metrics.
        cells: of the noises that there are predictions of, in the order of the columns.
        steps: of the stack.
        others: settings that differ from the baseline in several noises.
        notes: what a reader of the row has to know.
        predicted: the classes behind the figures; None of detection.
    """

    model: str
    images: int
    trained: Mapping[str, float | None]
    cells: tuple[Cell, ...]
    steps: tuple[Step, ...]
    others: tuple[Score, ...]
    notes: tuple[str, ...]
    predicted: PredictedClasses | None

    @property
    def combined(self) -> Score | None:
        """The end of the stack; None where there is none, or it is not among the predictions."""
        return self.steps[-1].score if self.steps else None

    def cell(self, noise: Noise) -> Cell | None:
        """Return the cell of a noise; None where there are no predictions of it alone."""
        return next((each for each in self.cells if each.noise is noise), None)


def build_row(
    model: str,
    scored: Scored,
    variants: Sequence[str],
    baseline: str,
    groups: Sequence[Sequence[str]],
    counting: Counting,
) -> Row:
    """Build the row of a model.

    Args:
        model: its name.
        scored: its figures.
        variants: ids of the set's variants, in grid order.
        baseline: id of the baseline's variant.
        groups: ids of variants that have the same pixels on every image, in grid order.
        counting: which methods count.
    """
    trained = Setting(baseline)
    figures = {
        setting: scored.settings[setting]
        for setting in sorted(scored.settings, key=lambda each: _place(each, variants))
    }
    scores = {
        setting: _score(setting, each, figures[trained])
        for setting, each in figures.items()
        if setting != trained
    }
    first = {variant: group[0] for group in groups for variant in group}
    first |= {variant: baseline for variant in first if first[variant] == first.get(baseline)}
    cells = tuple(_cells(figures, scores, trained, first, counting))
    changes = {setting: setting.changes(trained) for setting in scores}
    return Row(
        model,
        scored.images,
        figures[trained].metrics,
        cells,
        tuple(_steps(cells, scores, trained, variants)),
        tuple(score for setting, score in scores.items() if len(changes[setting]) > 1),
        (*scored.notes, *_remarks(figures, variants, trained, first)),
        scored.predicted,
    )


def _place(setting: Setting, variants: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    return variants.index(setting.variant), setting.methods


def _score(setting: Setting, figures: Figures, baseline: Figures) -> Score:
    return Score(
        setting.id,
        figures.metrics,
        _main(baseline) - _main(figures),
        interval(baseline.replicates - figures.replicates),
        figures.flip_rate,
        figures.mcnemar_p,
    )


def _main(figures: Figures) -> float:
    """Return the table's own metric, which always has a value."""
    value = next(iter(figures.metrics.values()))
    assert value is not None
    return value


def _cells(
    figures: Mapping[Setting, Figures],
    scores: Mapping[Setting, Score],
    trained: Setting,
    first: Mapping[str, str],
    counting: Counting,
) -> Iterator[Cell]:
    for noise in Noise:
        settings = [each for each in scores if each.changes(trained) == (noise,)]
        methods = list(_method_scores(noise, settings, scores, trained, first))
        if not methods:
            continue
        counted = [each for each in methods if counting is Counting.ALL or each.same_as is None]
        names = {each.method for each in counted}
        replicates = [figures[each].replicates for each in settings if each.method(noise) in names]
        yield _cell(noise, methods, counted, figures[trained].replicates, replicates)


def _method_scores(
    noise: Noise,
    settings: Sequence[Setting],
    scores: Mapping[Setting, Score],
    trained: Setting,
    first: Mapping[str, str],
) -> Iterator[MethodScore]:
    """Yield the methods of a noise; those in the image are compared by their pixels."""
    seen = {trained.variant: trained.method(noise)}
    for setting in settings:
        method = setting.method(noise)
        assert method is not None
        same_as = None
        if noise in IMAGE_NOISES:
            pixels = first.get(setting.variant, setting.variant)
            same_as = seen.get(pixels)
            seen.setdefault(pixels, method)
        yield MethodScore(method, same_as, scores[setting])


def _cell(
    noise: Noise,
    methods: Sequence[MethodScore],
    counted: Sequence[MethodScore],
    baseline: Replicates,
    replicates: Sequence[Replicates],
) -> Cell:
    deltas = [each.score.delta for each in counted]
    return Cell(
        noise,
        tuple(methods),
        tuple(counted),
        mean=float(np.mean(deltas)) if deltas else None,
        deviation=sample_deviation(deltas),
        interval=interval(baseline - np.mean(replicates, axis=0)) if deltas else None,
        worst=max(counted, key=lambda each: each.score.delta) if counted else None,
    )


def _steps(
    cells: Sequence[Cell],
    scores: Mapping[Setting, Score],
    trained: Setting,
    variants: Sequence[str],
) -> Iterator[Step]:
    """Yield the stack: each noise's worst method on top of those of the columns before."""
    setting = trained
    for cell in cells:
        if cell.worst is not None and cell.noise is not UNSTACKED:
            setting = setting.with_method(cell.noise, cell.worst.method)
            held = setting.variant in variants
            yield Step(cell.noise, cell.worst.method, setting.id, scores.get(setting), held)


def _remarks(
    figures: Mapping[Setting, Figures],
    variants: Sequence[str],
    trained: Setting,
    first: Mapping[str, str],
) -> Iterator[str]:
    """Tell of figures that differ where pixels do not, and of variants without predictions."""
    seen: dict[tuple[str, tuple[str, ...]], Setting] = {}
    for setting, each in ((trained, figures[trained]), *figures.items()):
        pixels = first.get(setting.variant, setting.variant)
        other = seen.setdefault((pixels, setting.methods), setting)
        if _main(each) != _main(figures[other]):
            yield (
                f"{setting.id!r} and {other.id!r} have the same pixels and other figures, "
                f"{_main(each):.4f} and {_main(figures[other]):.4f}: the predictions do not repeat"
            )
    lacking = [
        variant
        for variant in variants
        if len(Setting(variant).changes(trained)) == 1
        and (first.get(variant, variant), ()) not in seen
    ]
    if lacking:
        yield f"no predictions of variants that differ in one noise: {quoted(lacking)}"
