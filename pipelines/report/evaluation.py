"""The sections of the report on what models said of a set: tables, the curve and flips."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sysnoise.manifests.settings import Setting
from sysnoise.pipelines.report.curve import chart, common_scale
from sysnoise.pipelines.report.flips import FLIPS, IMAGES, Flip, Flips
from sysnoise.pipelines.report.gallery import SIDE, stored_picture
from sysnoise.pipelines.report.markup import (
    TEXTS,
    Order,
    breakable,
    code,
    lines_cell,
    name_cell,
    options,
    script_json,
    select,
    table,
    text_cell,
)
from sysnoise.pipelines.scoring.compose import Table
from sysnoise.pipelines.scoring.formats import (
    MARK,
    Block,
    has_flips,
    legend,
    main_block,
    matrix_block,
    row_scores,
    settings_block,
    steps_block,
)
from sysnoise.pipelines.scoring.records import Counting
from sysnoise.pipelines.scoring.table import Row

EVERY = -1
"""The value of the choice of all models or settings."""


@dataclass(frozen=True)
class Evaluation:
    """What models said of a set.

    Attributes:
        table: their figures.
        flips: images whose class changes; None of detection.
        class_names: of the labels, as far as the set knows them.
    """

    table: Table
    flips: Flips | None
    class_names: Mapping[int, str]


def evaluation_sections(evaluation: Evaluation) -> Iterator[tuple[str, str, str]]:
    """Yield anchor, heading and content of each section that there is something to show in."""
    table = evaluation.table
    yield "loss", "Loss by noise", _loss(table)
    if table.matrices:
        yield "matrices", "Models by setting", _matrices(table)
    if any(row.steps for row in table.rows):
        yield "stack", "Noises stacked up", _stack(table)
    if evaluation.flips is not None:
        content = _flips(evaluation, evaluation.flips)
        yield "flips", "Flips", content


def _loss(scored: Table) -> str:
    lines = legend(scored)
    if has_flips(scored):
        lines += [
            "Flips: images in percent whose class is not the baseline's, right or wrong.",
            "McNemar p: probability, by chance alone, of right answers gained and lost at least as "
            "unevenly as here; exact, two-sided.",
        ]
    known = "".join(f"<li>{breakable(line)}</li>\n" for line in lines)
    return f"<ul>\n{known}</ul>\n{_block_table(main_block(scored))}{_settings_table(scored)}"


def _block_table(block: Block) -> str:
    rows = [
        [
            name_cell(first[0]),
            *(
                lines_cell(lines, ' class="text"' if heading in TEXTS else "")
                for heading, lines in zip(block.columns[1:], others, strict=True)
            ),
        ]
        for first, *others in block.rows
    ]
    return table(block.heading, block.columns, rows, Order.FIXED)


def _settings_table(scored: Table) -> str:
    """Return the figures of every setting; what is sorted by is the whole number."""
    block = settings_block(scored)
    values = [each for row in scored.rows for each in _setting_values(scored, row)]
    is_one = len(scored.rows) == 1
    rows = []
    for ((model,), (setting, *notes), *figures), numbers in zip(block.rows, values, strict=True):
        baseline = " data-baseline" if setting == scored.baseline else ""
        marks = f' data-value="{html.escape(setting)}"{baseline}'
        cells = [
            lines_cell(lines, f' data-value="{"" if number is None else repr(number)}"')
            for lines, number in zip(figures, numbers, strict=True)
        ]
        named = [] if is_one else [text_cell(model)]
        rows.append([name_cell(setting, marks, notes), *named, *cells])
    headings = ["setting", *([] if is_one else ["model"]), *block.columns[2:]]
    return table(block.heading, headings, rows)


def _setting_values(scored: Table, row: Row) -> Iterator[list[float | None]]:
    """Yield the numbers in the rows of a model of the table of settings."""
    compared = has_flips(scored)
    yield [*(row.trained[name] for name in scored.metrics), *[None] * (4 if compared else 2)]
    for score in row_scores(row):
        low = None if score.interval is None else score.interval[0]
        flips = [score.flip_rate, score.mcnemar_p] if compared else []
        yield [*(score.metrics[name] for name in scored.metrics), score.delta, low, *flips]


def _matrices(scored: Table) -> str:
    one = " Of methods with the same pixels, one is shown."
    return (
        f"<p>{html.escape(scored.metrics[0])} of each model, however it was trained, tested with "
        "each method of an axis; the other axes are the baseline's. Mean and sample standard "
        f"deviation are over the row.{one if scored.counting is Counting.DISTINCT else ''}</p>\n"
        + "".join(_block_table(matrix_block(each)) for each in scored.matrices)
    )


def _stack(scored: Table) -> str:
    stacked = [row for row in scored.rows if row.steps]
    scale = common_scale(stacked)
    figures = "".join(
        f"<figure>{chart(row, scale)}<figcaption>{code(row.model)}</figcaption></figure>\n"
        for row in stacked
    )
    return (
        "<p>Loss in points as the worst method of each noise is added to those before it. Where a "
        f"step is missing, the line is broken, and the table says why. {MARK}: the interval covers "
        "zero.</p>\n"
        f'<div class="charts">\n{figures}</div>\n{_block_table(steps_block(scored))}'
    )


def _flips(evaluation: Evaluation, flips: Flips) -> str:
    if not flips.chosen:
        return "<p>No image has another class than in the baseline in any setting.</p>\n"
    models = [row.model for row in evaluation.table.rows]
    settings = _flipping_settings(evaluation.table, flips)
    data = {
        "pictures": [stored_picture(each) for each in flips.pictures],
        "counts": [
            [models.index(model), settings.index(setting.id), count]
            for (model, setting), count in flips.counts.items()
            if count
        ],
    }
    cards = "".join(_cards(evaluation, flips, models, settings))
    return (
        f"{_rule(flips)}<noscript><p>The pictures and the choice need JavaScript.</p></noscript>\n"
        f'<div class="controls">\n{_choices(models, settings)}</div>\n'
        '<p id="flips-text" aria-live="polite"></p>\n'
        f'<ul class="flips" id="flips-view">\n{cards}</ul>\n'
        f'<script type="application/json" id="flips-data">{script_json(data)}</script>\n'
    )


def _rule(flips: Flips) -> str:
    absent = "" if flips.numbers else " There are no images here: only the classes are shown."
    return (
        f"<p>Up to {IMAGES} images whose class in a setting is not the baseline's, chosen so that "
        f"a few show flips in as many settings as they can. Of their flips, up to {FLIPS} are "
        "shown, evenly from all settings.</p>\n"
        f"<p>The pictures are the middle of the images, up to {SIDE} x {SIDE} pixels, "
        f"lossless.{absent}</p>\n"
    )


def _flipping_settings(scored: Table, flips: Flips) -> list[str]:
    """Return the ids of the settings in which an image flips, in the order of the table."""
    flipping = {setting.id for (_, setting), count in flips.counts.items() if count}
    ordered = (score.setting for row in scored.rows for score in row_scores(row))
    return [each for each in dict.fromkeys(ordered) if each in flipping]


def _choices(models: Sequence[str], settings: Sequence[str]) -> str:
    def choice(name: str, label: str, every: str, names: Sequence[str]) -> str:
        values = range(EVERY, len(names))
        return select(name, label, options([every, *names], values=values))

    chosen_model = choice("flip-model", "Model", "all models", models) if len(models) > 1 else ""
    every = "all settings, each image once"
    return chosen_model + choice("flip-setting", "Setting", every, settings)


def _cards(
    evaluation: Evaluation, flips: Flips, models: Sequence[str], settings: Sequence[str]
) -> Iterator[str]:
    """Yield the flips; before a choice is made, each image is shown once."""
    shown: set[str] = set()
    for flip in flips.chosen:
        model, setting = models.index(flip.model), settings.index(flip.setting.id)
        key = html.escape(flip.key)
        hidden = " hidden" if flip.key in shown else ""
        shown.add(flip.key)
        yield (
            f'<li data-model="{model}" data-setting="{setting}" data-key="{key}"{hidden}>'
            f"{_card(evaluation, flips, flip)}</li>\n"
        )


def _card(evaluation: Evaluation, flips: Flips, flip: Flip) -> str:
    """Return a flip; a setting with the baseline's variant shares its picture."""

    def described(number: int) -> str:
        return " ".join(filter(None, (str(number), evaluation.class_names.get(number))))

    def judged(number: int) -> str:
        return f"{described(number)} ({'right' if number == flip.label else 'wrong'})"

    baseline, variant = flips.baseline.id, flip.setting.variant
    texts = [(baseline, judged(flip.before)), (flip.setting.id, judged(flip.after))]
    if variant == baseline:
        figures = [_figure(flips, flip.key, flips.baseline, texts)]
    else:
        figures = [
            _figure(flips, flip.key, flips.baseline, texts[:1]),
            _figure(flips, flip.key, flip.setting, texts[1:]),
        ]
    model = f"{code(flip.model)}, " if len(evaluation.table.rows) > 1 else ""
    return (
        f"<p>{code(flip.key)}, {model}label "
        f'{html.escape(described(flip.label))}</p><div class="pictures">{"".join(figures)}</div>'
    )


def _figure(flips: Flips, key: str, setting: Setting, texts: Sequence[tuple[str, str]]) -> str:
    """Return a picture, where it is at hand, with the settings and classes that it stands for."""
    number = flips.numbers.get((key, setting.variant))
    canvas = ""
    if number is not None:
        label = html.escape(f"{key} in {setting.variant}")
        canvas = (
            f'<canvas data-picture="{number}" width="{SIDE}" height="{SIDE}" role="img" '
            f'aria-label="{label}"></canvas>'
        )
    captions = "".join(f"<div>{html.escape(text)}<br>{code(name)}</div>" for name, text in texts)
    return f"<figure>{canvas}<figcaption>{captions}</figcaption></figure>"
