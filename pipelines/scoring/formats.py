"""The table as text for a terminal, Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sysnoise.pipelines.scoring.compose import Matrix, Table
from sysnoise.pipelines.scoring.statistics import CONFIDENCE, RESAMPLES, covers_zero
from sysnoise.pipelines.scoring.table import Cell, Row, Score

MARK = "†"
"""Beside a delta whose interval covers zero."""
NONE = "-"


@dataclass(frozen=True)
class Block:
    """A table of texts.

    Attributes:
        heading: what it shows.
        columns: their headings.
        rows: cells, of one or several lines.
    """

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Sequence[str]]]


def blocks(table: Table) -> list[Block]:
    """Return what the formats for people show."""
    found = [main_block(table), settings_block(table)]
    if any(row.steps for row in table.rows):
        found.append(steps_block(table))
    return [*found, *map(matrix_block, table.matrices)]


def legend(table: Table) -> list[str]:
    """Return what one has to know to read the blocks, and the notes on the models."""
    return [
        f"{table.metrics[0]} in percent over {_images(table)}; baseline {table.baseline}.",
        "Deltas are the baseline's metric minus the setting's, in points: positive is worse.",
        f"Intervals: {CONFIDENCE:.0%}, bootstrap over images, {RESAMPLES} resamples. {MARK}: the "
        "interval covers zero, so that the delta may be chance.",
        *(f"{row.model}: {note}" for row in table.rows for note in row.notes),
    ]


def _images(table: Table) -> str:
    scored = {row.images for row in table.rows}
    if scored == {table.images}:
        return f"{table.images} images"
    return f"{' or '.join(map(str, sorted(scored)))} of {table.images} images"


def main_block(table: Table) -> Block:
    """Return the paper's table: a row a model, a column a noise."""
    name = table.metrics[0]
    columns = ["model", f"trained {name}", *(noise.value for noise in table.noises), "combined"]
    rows = [
        [
            [row.model],
            [_number(row.trained[name])],
            *(_cell_lines(row.cell(noise)) for noise in table.noises),
            _combined_lines(row),
        ]
        for row in table.rows
    ]
    return Block("Loss by noise", columns, rows)


def _cell_lines(cell: Cell | None) -> list[str]:
    if cell is None:
        return [NONE]
    lines = []
    if cell.mean is not None and cell.worst is not None:
        spread = "" if cell.deviation is None else f" ± {_number(cell.deviation)}"
        lines.append(f"{_number(cell.mean)}{_mark(cell.interval)}{spread}")
        if len(cell.counted) > 1:
            worst = cell.worst.score
            lines += [f"max {delta_text(worst)}", cell.worst.method]
    if len(cell.methods) > 1 or not cell.distinct:
        lines.append(f"{cell.distinct} of {len(cell.methods)} distinct")
    return lines


def _combined_lines(row: Row) -> list[str]:
    if row.combined is not None:
        return [delta_text(row.combined)]
    return ["missing" if row.steps else NONE]


def settings_block(table: Table) -> Block:
    """Return the figures of every setting: of each model the baseline, then :func:`row_scores`."""
    compared = ["flips", "McNemar p"] if has_flips(table) else []
    columns = ["model", "setting", *table.metrics, "delta", "interval", *compared]
    rows = [cells for row in table.rows for cells in _setting_rows(table, row)]
    return Block("Settings", columns, rows)


def has_flips(table: Table) -> bool:
    """Whether the settings are compared by class."""
    return any(score.flip_rate is not None for row in table.rows for score in row_scores(row))


def _setting_rows(table: Table, row: Row) -> Iterator[list[list[str]]]:
    extra = 2 if has_flips(table) else 0
    trained = [[_number(row.trained[name])] for name in table.metrics]
    yield [[row.model], [table.baseline], *trained, *([[NONE]] * (2 + extra))]
    same = {each.score.setting: each.same_as for cell in row.cells for each in cell.methods}
    for score in row_scores(row):
        other = same.get(score.setting)
        setting = [score.setting, *([f"pixels of {other}"] if other else [])]
        compared = [[_number(score.flip_rate)], [_p(score.mcnemar_p)]] if extra else []
        metrics = [[_number(score.metrics[name])] for name in table.metrics]
        yield [
            *([row.model], setting, *metrics, [delta_text(score)], [_interval(score.interval)]),
            *compared,
        ]


def row_scores(row: Row) -> list[Score]:
    """Return the scores of all settings of a model but the baseline."""
    return [each.score for cell in row.cells for each in cell.methods] + list(row.others)


def steps_block(table: Table) -> Block:
    """Return the steps of the stacks."""
    rows = []
    for row in table.rows:
        for number, step in enumerate(row.steps):
            lacking = "not among the predictions" if step.held else "not in the set"
            figures = [lacking, NONE]
            if step.score is not None:
                figures = [_number(step.score.metrics[table.metrics[0]]), delta_text(step.score)]
            noise = f"{'+ ' if number else ''}{step.noise.value}"
            rows.append([[each] for each in (row.model, noise, step.setting, *figures)])
    return Block(
        "Combined", ["model", "worst of each noise", "setting", table.metrics[0], "delta"], rows
    )


def matrix_block(matrix: Matrix) -> Block:
    """Return the metric of models by methods of an axis."""
    rows = [
        [
            [each]
            for each in (
                *(row.model, *map(_number, row.metrics)),
                *(_number(row.mean), _number(row.deviation)),
            )
        ]
        for row in matrix.rows
    ]
    columns = ["model", *matrix.methods, "mean", "std"]
    return Block(f"Models x {matrix.noise.value}", columns, rows)


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}".replace("-0.00", "0.00")


def _p(value: float | None) -> str:
    return NONE if value is None else f"{value:.2g}"


def delta_text(score: Score) -> str:
    """Return a delta, marked where it may be none."""
    return f"{_number(score.delta)}{_mark(score.interval)}"


def _mark(limits: tuple[float, float] | None) -> str:
    return MARK if covers_zero(limits) else ""


def _interval(limits: tuple[float, float] | None) -> str:
    return NONE if limits is None else f"{_number(limits[0])} to {_number(limits[1])}"


def terminal(table: Table) -> str:
    """Return the table as text of fixed width; cells of several lines stand below each other."""
    parts = [*legend(table)]
    for block in blocks(table):
        parts += ["", block.heading, *_fixed_width(block)]
    return "\n".join(parts) + "\n"


def _fixed_width(block: Block) -> Iterator[str]:
    rows = [[[column] for column in block.columns], *block.rows]
    widths = [max(map(len, itertools.chain(*cells))) for cells in zip(*rows, strict=True)]
    for row in rows:
        for line in range(max(map(len, row))):
            texts = (cell[line] if line < len(cell) else "" for cell in row)
            padded = (f"{text:<{width}}" for text, width in zip(texts, widths, strict=True))
            yield "  ".join(padded).rstrip()


def markdown(table: Table) -> str:
    """Return the table as GitHub's Markdown."""
    parts = [f"- {_escaped(line, _MARKDOWN)}" for line in legend(table)]
    for block in blocks(table):
        parts += ["", f"### {block.heading}", "", _markdown_row(block.columns)]
        parts.append("|" + " --- |" * len(block.columns))
        parts += [_markdown_row(map(_markdown_cell, row)) for row in block.rows]
    return "\n".join(parts) + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_cell(lines: Sequence[str]) -> str:
    return "<br>".join(_escaped(line, _MARKDOWN) for line in lines)


_MARKDOWN = {each: f"\\{each}" for each in "\\|`*_<>[]#~"}
_LATEX = {
    **{each: f"\\{each}" for each in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    MARK: r"\textsuperscript{\dag}",
    "±": r"$\pm$",
}
_MINUS = re.compile(r"(?<![\w-])-(?=\d)")
"""The sign of a number, and no hyphen of a name."""


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(each, each) for each in text)


def latex(table: Table) -> str:
    """Return the table as LaTeX, one ``tabular`` a block; it needs no package.

    Cells of several lines are tables of their own, whose first lines stand beside each other.
    """
    parts = [f"% {line}" for line in legend(table)]
    for block in blocks(table):
        parts += [
            *("", f"% {block.heading}", rf"\begin{{tabular}}{{{'l' * len(block.columns)}}}"),
            *(r"\hline", _latex_row([[column] for column in block.columns]), r"\hline"),
            *map(_latex_row, block.rows),
            *(r"\hline", r"\end{tabular}"),
        ]
    return "\n".join(parts) + "\n"


def _latex_row(cells: Sequence[Sequence[str]]) -> str:
    return " & ".join(map(_latex_cell, cells)) + r" \\"


def _latex_cell(lines: Sequence[str]) -> str:
    escaped = [_MINUS.sub("$-$", _escaped(line, _LATEX)) for line in lines]
    if len(escaped) == 1:
        return escaped[0]
    return r"\begin{tabular}[t]{@{}l@{}}" + r" \\ ".join(escaped) + r"\end{tabular}"


def csv_text(table: Table) -> str:
    """Return the table as CSV, a line a figure: what it is of stands in the first columns."""
    opened = io.StringIO()
    fields = ["model", "row", "noise", "method", "setting", "same_as", *table.metrics]
    fields += ["delta", "std", "low", "high", "flip_rate", "mcnemar_p", "distinct", "methods"]
    writer = csv.DictWriter(opened, fields, lineterminator="\n")
    writer.writeheader()
    for row in table.rows:
        writer.writerows(_csv_rows(table, row))
    return opened.getvalue()


def _csv_rows(table: Table, row: Row) -> Iterator[dict[str, Any]]:
    model = {"model": row.model}
    yield {**model, "row": "trained", "setting": table.baseline, **row.trained}
    for cell in row.cells:
        noise = {**model, "noise": cell.noise.value}
        for each in cell.methods:
            method = {"method": each.method, "same_as": each.same_as}
            yield {**noise, "row": "method", **method, **_score_fields(each.score)}
        counts = {"distinct": cell.distinct, "methods": len(cell.methods)}
        figures = {"delta": cell.mean, "std": cell.deviation, **_limits(cell.interval)}
        yield {**noise, "row": "mean", **figures, **counts}
        if cell.worst is not None:
            worst = {"method": cell.worst.method, **_score_fields(cell.worst.score)}
            yield {**noise, "row": "max", **worst}
    for step in row.steps:
        fields = {"setting": step.setting} if step.score is None else _score_fields(step.score)
        step_of = {"noise": step.noise.value, "method": step.method}
        yield {**model, "row": "combined", **step_of, **fields}
    for other in row.others:
        yield {**model, "row": "other", **_score_fields(other)}


def _score_fields(score: Score) -> dict[str, Any]:
    return {
        "setting": score.setting,
        **score.metrics,
        "delta": score.delta,
        **_limits(score.interval),
        "flip_rate": score.flip_rate,
        "mcnemar_p": score.mcnemar_p,
    }


def _limits(limits: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = limits or (None, None)
    return {"low": low, "high": high}


def document(table: Table) -> dict[str, Any]:
    """Return the table as JSON-compatible values, with every figure."""
    return {
        "dataset": table.kind.value,
        "split": table.split,
        "baseline": table.baseline,
        "images": table.images,
        "metrics": list(table.metrics),
        "noises": [noise.value for noise in table.noises],
        "counting": table.counting.value,
        "interval": {"confidence": CONFIDENCE, "resamples": RESAMPLES},
        "models": [_row_document(row) for row in table.rows],
        "matrices": [_matrix_document(matrix) for matrix in table.matrices],
    }


def _matrix_document(matrix: Matrix) -> dict[str, Any]:
    return {
        "noise": matrix.noise.value,
        "methods": list(matrix.methods),
        "rows": [
            {"model": row.model, "metrics": row.metrics, "mean": row.mean, "std": row.deviation}
            for row in matrix.rows
        ],
    }


def _row_document(row: Row) -> dict[str, Any]:
    return {
        "model": row.model,
        "images": row.images,
        "trained": dict(row.trained),
        "noises": [_cell_document(cell) for cell in row.cells],
        "combined": {
            "delta": row.combined.delta if row.combined else None,
            "missing": [step.setting for step in row.steps if step.score is None],
            "steps": [
                {**dataclasses.asdict(step), "noise": step.noise.value} for step in row.steps
            ],
        },
        "others": [dataclasses.asdict(score) for score in row.others],
        "notes": list(row.notes),
    }


def _cell_document(cell: Cell) -> dict[str, Any]:
    return {
        "noise": cell.noise.value,
        "mean": cell.mean,
        "std": cell.deviation,
        "interval": cell.interval,
        "max": {"method": cell.worst.method, "delta": cell.worst.score.delta}
        if cell.worst
        else None,
        "distinct": cell.distinct,
        "methods": [dataclasses.asdict(each) for each in cell.methods],
    }


def json_text(table: Table) -> str:
    """Return the table as JSON."""
    return json.dumps(document(table), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


FORMATTERS: Mapping[str, Callable[[Table], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "csv": csv_text,
    "json": json_text,
    "latex": latex,
}
