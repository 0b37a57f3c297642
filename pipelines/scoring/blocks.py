"""The parts of the table as texts, which the formats for people and the report show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sysnoise.pipelines.scoring.compose import Matrix, StackVariant, Table
from sysnoise.pipelines.scoring.statistics import CONFIDENCE, RESAMPLES, covers_zero
from sysnoise.pipelines.scoring.table import ModelRow, NoiseCell, Score
from sysnoise.transforms.text_table import TextTable

CHANCE_MARK = "†"
"""The mark beside a delta whose interval covers zero."""
NO_VALUE = "-"
"""The text of a figure that has no value."""
NAMES = ("model", "setting", "stack", "variant", "worst of each noise")
"""The columns of names and ids, which can be long."""


@dataclass(frozen=True)
class Block:
    """A table of texts.

    Attributes:
        heading: the heading above the table.
        columns: the headings of the columns.
        rows: the cells of each row, which are lists of lines.
        optional: the columns that a narrow terminal does without, the first to go first; none
            where all are needed.
    """

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Sequence[str]]]
    optional: Sequence[str] = ()

    @property
    def text_table(self) -> TextTable:
        """The block as a table that can be made narrower."""
        return TextTable(self.columns, self.rows, self.optional, NAMES)


def blocks(table: Table) -> list[Block]:
    """Return the blocks that the formats for people show.

    Of a set whose variants are stacks, these come first, and the rest where it says more.
    """
    steps = [steps_block(table)] if any(row.steps for row in table.rows) else []
    by_noise = [main_block(table), settings_block(table), *steps]
    matrices = list(map(matrix_block, table.matrices))
    stacks = [stacks_block(table)] if table.stacks else []
    return [*stacks, *([] if has_stacks_alone(table) else by_noise), *matrices]


def has_stacks_alone(table: Table) -> bool:
    """Return whether all settings are stacks of the set's grid, so that each has a name."""
    settings = {each.setting for row in table.rows for each in row.scores}
    return bool(table.stacks) and settings <= table.stack_names.keys()


def legend(table: Table) -> list[str]:
    """Return what one has to know to read the blocks, and the notes on the models."""
    return [
        f"{table.metrics[0]} in percent over {_images(table)}; baseline {table.baseline}.",
        "Deltas are the baseline's metric minus the setting's, in points: positive is worse.",
        f"Intervals: {CONFIDENCE:.0%}, bootstrap over images, {RESAMPLES} resamples. "
        f"{CHANCE_MARK}: the interval covers zero, so that the delta may be chance.",
        *(f"{row.model}: {text}" for row in table.rows for text in _row_legend(table, row)),
    ]


def _row_legend(table: Table, row: ModelRow) -> Iterator[str]:
    """Yield what the rows of a model say in one sentence, and the notes on it."""
    if row.scores:
        yield _largest_loss(table, row)
    yield from row.notes
    outside = [step.setting for step in row.steps if not step.held]
    if outside and not has_stacks_alone(table):
        yield (
            f"the combined loss is missing, because the set does not hold {outside[0]!r}; a grid "
            "with 'combine: product' does, such as imagenet-full or coco-full"
        )


def _largest_loss(table: Table, row: ModelRow) -> str:
    """Return the largest loss of a model, and whether it may be chance."""
    worst = max(row.scores, key=lambda each: each.delta)
    if worst.delta <= 0:
        return f"no {'stack' if has_stacks_alone(table) else 'setting'} loses anything"
    name = table.stack_names.get(worst.setting, worst.setting)
    chance = "covers zero, so that it may be chance"
    if not covers_zero(worst.interval):
        chance = "does not cover zero"
    loss = f"{_number_text(worst.delta)} points, with {name}"
    return f"the largest loss is {loss}; its interval {chance}"


def _images(table: Table) -> str:
    scored = {row.images for row in table.rows}
    if scored == {table.images}:
        return f"{table.images} images"
    return f"{' or '.join(map(str, sorted(scored)))} of {table.images} images"


def main_block(table: Table) -> Block:
    """Return the paper's table: one row per model, one column per noise."""
    metric = table.metrics[0]
    columns = ["model", f"trained {metric}", *(noise.value for noise in table.noises), "combined"]
    rows = [
        [
            [row.model],
            [_number_text(row.trained[metric])],
            *(_noise_lines(row.cell(noise)) for noise in table.noises),
            _combined_lines(row),
        ]
        for row in table.rows
    ]
    return Block("Loss by noise", columns, rows)


def _noise_lines(cell: NoiseCell | None) -> list[str]:
    if cell is None:
        return [NO_VALUE]
    lines = []
    if cell.mean is not None and cell.worst is not None:
        spread = "" if cell.deviation is None else f" ± {_number_text(cell.deviation)}"
        lines.append(f"{_number_text(cell.mean)}{_mark(cell.interval)}{spread}")
        if len(cell.counted) > 1:
            lines += [f"max {delta_text(cell.worst.score)}", cell.worst.method]
    if len(cell.methods) > 1 or not cell.distinct:
        lines.append(f"{cell.distinct} of {len(cell.methods)} distinct")
    return lines


def _combined_lines(row: ModelRow) -> list[str]:
    if row.combined is not None:
        return [delta_text(row.combined)]
    return ["missing" if row.steps else NO_VALUE]


def settings_block(table: Table) -> Block:
    """Return the figures of every setting: of each model the baseline, then its other settings."""
    compared = ["flips", "McNemar p"] if compares_classes(table) else []
    columns = ["model", "setting", *table.metrics, "delta", "interval", *compared]
    rows = [cells for row in table.rows for cells in _setting_rows(table, row)]
    optional = [*_only_model(table), *compared[::-1], *table.metrics[:0:-1], "interval"]
    return Block("Settings", columns, rows, optional)


def _only_model(table: Table) -> list[str]:
    """Return the column of models where it says the same in all rows, so that it is optional."""
    return ["model"] if len(table.rows) == 1 else []


def compares_classes(table: Table) -> bool:
    """Return whether the classes of settings are compared with the baseline's, as for ImageNet."""
    return any(score.flip_rate is not None for row in table.rows for score in row.scores)


def _setting_rows(table: Table, row: ModelRow) -> Iterator[list[list[str]]]:
    with_classes = compares_classes(table)
    trained = [[_number_text(row.trained[name])] for name in table.metrics]
    no_values = [[NO_VALUE]] * (4 if with_classes else 2)
    yield [[row.model], [table.baseline], *trained, *no_values]
    same_as = {each.score.setting: each.same_as for cell in row.cells for each in cell.methods}
    for score in row.scores:
        method = same_as.get(score.setting)
        notes = [f"pixels of {method}"] if method else []
        metrics = [[_number_text(score.metrics[name])] for name in table.metrics]
        deltas = [[delta_text(score)], [interval_text(score.interval)]]
        compared = [[_number_text(score.flip_rate)], [_p_text(score.mcnemar_p)]]
        yield [
            [row.model],
            [score.setting, *notes],
            *metrics,
            *deltas,
            *(compared if with_classes else []),
        ]


def stacks_block(table: Table) -> Block:
    """Return a row for each stack of each model: what deploying on it costs."""
    compared = ["flips", "McNemar p"] if compares_classes(table) else []
    columns = ["model", "stack", table.metrics[0], "delta", "interval", *compared, "variant"]
    rows = [
        cells
        for row in table.rows
        for stack in table.stacks
        for cells in _stack_rows(table, row, stack)
    ]
    optional = [*_only_model(table), "variant", *compared[::-1], "interval"]
    return Block("Loss by stack", columns, rows, optional)


def _stack_rows(
    table: Table, row: ModelRow, stack: StackVariant
) -> Iterator[Sequence[Sequence[str]]]:
    """Yield the cells of a stack, if there are predictions of it."""
    notes = [f"pixels of {stack.same_as}"] if stack.same_as else []
    with_classes = compares_classes(table)
    score = next((each for each in row.scores if each.setting == stack.variant), None)
    if score is None and stack.variant != table.baseline:
        return
    if score is None:
        figures = [_number_text(row.trained[table.metrics[0]]), "trained", NO_VALUE]
        compared = [NO_VALUE, NO_VALUE]
    else:
        metric = score.metrics[table.metrics[0]]
        figures = [_number_text(metric), delta_text(score), interval_text(score.interval)]
        compared = [_number_text(score.flip_rate), _p_text(score.mcnemar_p)]
    texts = [*figures, *(compared if with_classes else []), stack.variant]
    yield [[row.model], [stack.name, *notes], *_single_lines(*texts)]


def steps_block(table: Table) -> Block:
    """Return the steps of the stacks."""
    metric = table.metrics[0]
    rows = []
    for row in table.rows:
        for index, step in enumerate(row.steps):
            noise = f"+ {step.noise.value}" if index else step.noise.value
            if step.score is None:
                lacking = "not among the predictions" if step.held else "not in the set"
                figures = [lacking, NO_VALUE]
            else:
                figures = [_number_text(step.score.metrics[metric]), delta_text(step.score)]
            rows.append(_single_lines(row.model, noise, step.setting, *figures))
    columns = ["model", "worst of each noise", "setting", metric, "delta"]
    return Block("Combined", columns, rows, _only_model(table))


def matrix_block(matrix: Matrix) -> Block:
    """Return the metric of models by methods of an axis."""
    rows = [
        _single_lines(row.model, *map(_number_text, (*row.metrics, row.mean, row.deviation)))
        for row in matrix.rows
    ]
    columns = ["model", *matrix.methods, "mean", "std"]
    return Block(f"Models x {matrix.axis}", columns, rows)


def _single_lines(*texts: str) -> list[list[str]]:
    return [[text] for text in texts]


def _number_text(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.2f}".replace("-0.00", "0.00")


def _p_text(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.2g}"


def delta_text(score: Score) -> str:
    """Return a delta, marked where it may be chance."""
    return f"{_number_text(score.delta)}{_mark(score.interval)}"


def _mark(limits: tuple[float, float] | None) -> str:
    return CHANCE_MARK if covers_zero(limits) else ""


def interval_text(limits: tuple[float, float] | None) -> str:
    """Return the limits of an interval."""
    return NO_VALUE if limits is None else f"{_number_text(limits[0])} to {_number_text(limits[1])}"
