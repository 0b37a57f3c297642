"""The sections of the report on the predictions of models: bars, tables, the curve and flips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sysnoise.manifests.settings import Setting
from sysnoise.pipelines.report.bars import loss_bars
from sysnoise.pipelines.report.box_flip_section import box_flips_content
from sysnoise.pipelines.report.box_flips import BoxFlipSelection
from sysnoise.pipelines.report.content import (
    Choice,
    HtmlCell,
    HtmlRow,
    HtmlTable,
    Section,
    block_table,
    number_key,
)
from sysnoise.pipelines.report.curve import Chart, common_scale, make_chart
from sysnoise.pipelines.report.flips import (
    MAX_FLIPS,
    MAX_IMAGES,
    Flip,
    FlipsData,
    FlipSelection,
)
from sysnoise.pipelines.report.gallery import stored_picture
from sysnoise.pipelines.scoring.blocks import (
    compares_classes,
    has_stacks_alone,
    legend,
    main_block,
    matrix_block,
    settings_block,
    stacks_block,
    steps_block,
)
from sysnoise.pipelines.scoring.compose import Table
from sysnoise.pipelines.scoring.records import Counting
from sysnoise.pipelines.scoring.table import ModelRow, Score

ALL_OPTION = -1
"""The value of the option for all models or all settings."""


@dataclass(frozen=True)
class Evaluation:
    """The predictions of models over a set.

    Attributes:
        table: the figures of the models.
        flips: images whose class or whose boxes change; None for detectors of masks alone.
        class_names: the names of the classes by label, or of COCO's categories by id, as far as the
            set has them.
    """

    table: Table
    flips: FlipSelection | BoxFlipSelection | None
    class_names: Mapping[int, str]


@dataclass(frozen=True)
class LossContent:
    """The content of the section of the table.

    Attributes:
        legend: what one has to know to read the tables.
        compares_classes: whether the tables have flips and McNemar's p.
        tables: the paper's table, and the figures of every setting.
    """

    legend: Sequence[str]
    compares_classes: bool
    tables: Sequence[HtmlTable]


@dataclass(frozen=True)
class MatricesContent:
    """The content of the section of models by methods.

    Attributes:
        metric: the name of the metric.
        counting: which methods count.
        tables: one table per axis.
    """

    metric: str
    counting: Counting
    tables: Sequence[HtmlTable]


@dataclass(frozen=True)
class StackContent:
    """The content of the section of stacked noises.

    Attributes:
        charts: one chart per model.
        steps: the table of the steps.
    """

    charts: Sequence[Chart]
    steps: HtmlTable


@dataclass(frozen=True)
class FlipFigure:
    """A picture of a flip.

    Attributes:
        variant: the id of the picture's variant.
        picture: the index of the picture; None where the variant's images are not available.
        classes: the class in each setting that the picture stands for, in words.
    """

    variant: str
    picture: int | None
    classes: Mapping[str, str]


@dataclass(frozen=True)
class FlipCard:
    """A flip as it is shown.

    Attributes:
        model_index, setting_index: the values of the options at which the flip is shown.
        model: the name of the model.
        key: the key of the image.
        label: the label of the image, in words.
        figures: its pictures.
        is_repeated: whether a card before it has the same image, so that it is hidden at first.
    """

    model_index: int
    setting_index: int
    model: str
    key: str
    label: str
    figures: Sequence[FlipFigure]
    is_repeated: bool


@dataclass(frozen=True)
class FlipsContent:
    """The content of the section of flips.

    Attributes:
        cards: the flips that are shown.
        choices: the choice of a model, where there are several, and that of a setting.
        has_models: whether there are several models.
        data: what the script of the page reads.
        max_images: the number of images that are shown at most.
        max_flips: the number of flips that are shown at most.
    """

    cards: Sequence[FlipCard]
    choices: Sequence[Choice]
    has_models: bool
    data: FlipsData
    max_images: int = MAX_IMAGES
    max_flips: int = MAX_FLIPS


def evaluation_sections(evaluation: Evaluation) -> Iterator[Section]:
    """Yield the sections that there is something to show in."""
    table = evaluation.table
    if bars := loss_bars(table):
        unit = "stack" if has_stacks_alone(table) else "setting"
        yield Section("bars", f"Loss by {unit}", bars)
    stacks = [block_table(stacks_block(table))] if table.stacks else []
    tables = [*stacks, block_table(main_block(table)), _settings_table(table)]
    loss = LossContent(legend(table), compares_classes(table), tables)
    yield Section("loss", "Loss by noise", loss)
    if table.matrices:
        matrices = [block_table(matrix_block(each)) for each in table.matrices]
        content = MatricesContent(table.metrics[0], table.counting, matrices)
        yield Section("matrices", "Models by setting", content)
    if charts := stack_charts(table):
        stack = StackContent(charts, block_table(steps_block(table)))
        yield Section("stack", "Noises stacked up", stack)
    if isinstance(evaluation.flips, FlipSelection):
        yield Section("flips", "Flips", _flips(evaluation, evaluation.flips))
    if isinstance(evaluation.flips, BoxFlipSelection):
        models, settings, choices = _choices(table, evaluation.flips.counts)
        names = evaluation.class_names
        boxes = box_flips_content(evaluation.flips, models, settings, choices, names)
        yield Section("box-flips", "Flips", boxes)


def stack_charts(table: Table) -> list[Chart]:
    """Return the charts of the loss as noises stack up, on one scale; none without steps."""
    stacked = [row for row in table.rows if row.steps]
    if not stacked:
        return []
    scale = common_scale(stacked)
    return [make_chart(row, scale) for row in stacked]


def _settings_table(scored: Table) -> HtmlTable:
    """Return the figures of every setting, sorted by all their digits."""
    block = settings_block(scored)
    numbers = [each for row in scored.rows for each in _setting_numbers(scored, row)]
    is_one = len(scored.rows) == 1
    rows = []
    for cells, values in zip(block.rows, numbers, strict=True):
        (model,), (setting, *notes), *figures = cells
        row_cells = [] if is_one else [HtmlCell(model)]
        row_cells += [
            HtmlCell(text, sort_key=number_key(value))
            for (text,), value in zip(figures, values, strict=True)
        ]
        name = HtmlCell(setting, notes, sort_key=setting)
        rows.append(HtmlRow(name, row_cells, is_baseline=setting == scored.baseline))
    columns = ["setting", *([] if is_one else ["model"]), *block.columns[2:]]
    return HtmlTable(block.heading, columns, rows)


def _setting_numbers(scored: Table, row: ModelRow) -> Iterator[list[float | None]]:
    """Yield the numbers in the rows of a model of the table of settings."""
    with_classes = compares_classes(scored)
    yield [*(row.trained[name] for name in scored.metrics), *[None] * (4 if with_classes else 2)]
    for score in row.scores:
        metrics = [score.metrics[name] for name in scored.metrics]
        compared = [score.flip_rate, score.mcnemar_p] if with_classes else []
        yield [*metrics, score.delta, _lower_limit(score), *compared]


def _lower_limit(score: Score) -> float | None:
    return None if score.interval is None else score.interval[0]


def _flips(evaluation: Evaluation, flips: FlipSelection) -> FlipsContent:
    models, settings, choices = _choices(evaluation.table, flips.counts)
    counts = [
        (models.index(model), settings.index(setting.id), count)
        for (model, setting), count in flips.counts.items()
        if count
    ]
    has_models = len(models) > 1
    return FlipsContent(
        list(_cards(evaluation.class_names, flips, models, settings)),
        choices if has_models else choices[1:],
        has_models,
        FlipsData([stored_picture(each) for each in flips.pictures], counts),
    )


def _choices(
    scored: Table, counts: Mapping[tuple[str, Setting], int]
) -> tuple[list[str], list[str], list[Choice]]:
    """Return the models, the settings in which an image flips, and the choices among both.

    Args:
        scored: the figures, which decide the order.
        counts: the number of images that flip, by model and setting.
    """
    flipping = {setting.id for (_, setting), count in counts.items() if count}
    ordered = (score.setting for row in scored.rows for score in row.scores)
    settings = [each for each in dict.fromkeys(ordered) if each in flipping]
    models = [row.model for row in scored.rows]
    choices = [
        _choice("flip-model", "Model", "all models", models),
        _choice("flip-setting", "Setting", "all settings, each image once", settings),
    ]
    return models, settings, choices


def _choice(element_id: str, label: str, all_text: str, names: Sequence[str]) -> Choice:
    options = {ALL_OPTION: all_text, **dict(enumerate(names))}
    return Choice(element_id, label, options, ALL_OPTION)


def _cards(
    class_names: Mapping[int, str],
    flips: FlipSelection,
    models: Sequence[str],
    settings: Sequence[str],
) -> Iterator[FlipCard]:
    """Yield the flips; before a choice is made, each image is shown once."""
    keys: set[str] = set()
    for flip in flips.chosen:
        yield FlipCard(
            models.index(flip.model),
            settings.index(flip.setting.id),
            flip.model,
            flip.key,
            _described(flip.label, class_names),
            list(_figures(class_names, flips, flip)),
            is_repeated=flip.key in keys,
        )
        keys.add(flip.key)


def _figures(
    class_names: Mapping[int, str], flips: FlipSelection, flip: Flip
) -> Iterator[FlipFigure]:
    """Yield the pictures of a flip; a setting with the baseline's variant shares its picture."""
    by_variant: dict[str, dict[str, str]] = {}
    for setting, label in ((flips.baseline, flip.before), (flip.setting, flip.after)):
        judged = "right" if label == flip.label else "wrong"
        text = f"{_described(label, class_names)} ({judged})"
        by_variant.setdefault(setting.variant, {})[setting.id] = text
    for variant, classes in by_variant.items():
        yield FlipFigure(variant, flips.picture_indices.get((flip.key, variant)), classes)


def _described(label: int, class_names: Mapping[int, str]) -> str:
    name = class_names.get(label)
    return f"{label} {name}" if name else str(label)
