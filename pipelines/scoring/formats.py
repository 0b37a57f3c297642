"""The table as text for a terminal, Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from sysnoise.pipelines.scoring.blocks import CHANCE_MARK, blocks, legend
from sysnoise.pipelines.scoring.compose import Table
from sysnoise.pipelines.scoring.documents import table_document
from sysnoise.pipelines.scoring.statistics import covers_zero
from sysnoise.pipelines.scoring.table import ModelRow, NoiseCell, Score
from sysnoise.transforms.text_table import fitted_lines, wrapped

CsvFields = dict[str, str | float | None]
"""The fields of a line of CSV by column; columns that are not named stay empty."""


def terminal(table: Table, width: int | None = None) -> str:
    """Return the table as text; cells of several lines stand below each other.

    Args:
        table: the table.
        width: number of characters of a line, to which it is fitted; None for the whole table.
    """
    parts = [line for text in legend(table) for line in _legend_lines(text, width)]
    for block in blocks(table):
        parts += ["", block.heading, *fitted_lines(block.text_table, width)]
    return "\n".join(parts) + "\n"


def _legend_lines(text: str, width: int | None) -> list[str]:
    return [text] if width is None else wrapped("", text, width)


def markdown(table: Table) -> str:
    """Return the table as GitHub's Markdown."""
    parts = [f"- {_escaped(line, _MARKDOWN_ESCAPES)}" for line in legend(table)]
    for block in blocks(table):
        parts += ["", f"### {block.heading}", "", _markdown_row(block.columns)]
        parts.append("|" + " --- |" * len(block.columns))
        parts += [_markdown_row(map(_markdown_cell, row)) for row in block.rows]
    return "\n".join(parts) + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_cell(lines: Sequence[str]) -> str:
    return "<br>".join(_escaped(line, _MARKDOWN_ESCAPES) for line in lines)


_MARKDOWN_ESCAPES = {each: f"\\{each}" for each in "\\|`*_<>[]#~"}
_LATEX_ESCAPES = {
    **{each: f"\\{each}" for each in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    CHANCE_MARK: r"\textsuperscript{\dag}",
    "±": r"$\pm$",
}
_MINUS = re.compile(r"(?<![\w-])-(?=\d)")
"""The sign of a number, as opposed to a hyphen in a name."""


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(each, each) for each in text)


def latex(table: Table) -> str:
    """Return the table as LaTeX, one ``tabular`` per block; it needs no package.

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
    escaped = [_MINUS.sub("$-$", _escaped(line, _LATEX_ESCAPES)) for line in lines]
    if len(escaped) == 1:
        return escaped[0]
    return r"\begin{tabular}[t]{@{}l@{}}" + r" \\ ".join(escaped) + r"\end{tabular}"


def csv_text(table: Table) -> str:
    """Return the table as CSV, one line per figure; the first columns say what it is of."""
    opened = io.StringIO()
    columns = ["model", "row", "noise", "method", "setting", "same_as", *table.metrics]
    columns += ["delta", "std", "low", "high", "covers_zero"]
    columns += ["flip_rate", "mcnemar_p", "distinct", "methods"]
    writer = csv.DictWriter(opened, columns, lineterminator="\n")
    writer.writeheader()
    for row in table.rows:
        for line in _csv_lines(table, row):
            fields: CsvFields = {"model": row.model, **line}
            writer.writerow({column: _csv_field(value) for column, value in fields.items()})
    return opened.getvalue()


def _csv_field(value: str | float | None) -> str | float | None:
    """Return a field; a text that a spreadsheet would compute begins with an apostrophe.

    Source: https://owasp.org/www-community/attacks/CSV_Injection.
    """
    if isinstance(value, str) and value.startswith(tuple("=+-@\t\r")):
        return f"'{value}"
    return value


def _csv_lines(table: Table, row: ModelRow) -> Iterator[CsvFields]:
    yield {"row": "trained", "setting": table.baseline, **row.trained}
    scores = {each.setting: each for each in row.scores}
    for stack in table.stacks:
        named: CsvFields = {"row": "stack", "method": stack.name, "same_as": stack.same_as}
        if stack.variant == table.baseline:
            yield {**named, "setting": table.baseline, **row.trained}
        elif stack.variant in scores:
            yield {**named, **_csv_score(scores[stack.variant])}
    for cell in row.cells:
        for line in _csv_noise_lines(cell):
            yield {"noise": cell.noise.value, **line}
    for step in row.steps:
        figures = {"setting": step.setting} if step.score is None else _csv_score(step.score)
        yield {"row": "combined", "noise": step.noise.value, "method": step.method, **figures}
    for score in row.others:
        yield {"row": "other", **_csv_score(score)}


def _csv_noise_lines(cell: NoiseCell) -> Iterator[CsvFields]:
    for each in cell.methods:
        method: CsvFields = {"method": each.method, "same_as": each.same_as}
        yield {"row": "method", **method, **_csv_score(each.score)}
    figures = {"std": cell.deviation, **_csv_delta(cell.mean, cell.interval)}
    yield {"row": "mean", **figures, "distinct": cell.distinct, "methods": len(cell.methods)}
    if cell.worst is not None:
        yield {"row": "max", "method": cell.worst.method, **_csv_score(cell.worst.score)}


def _csv_score(score: Score) -> CsvFields:
    return {
        "setting": score.setting,
        **score.metrics,
        **_csv_delta(score.delta, score.interval),
        "flip_rate": score.flip_rate,
        "mcnemar_p": score.mcnemar_p,
    }


def _csv_delta(delta: float | None, limits: tuple[float, float] | None) -> CsvFields:
    """Return the fields of a delta; where there is none, they are empty."""
    low, high = limits or (None, None)
    may_be_chance = None if delta is None else str(covers_zero(limits)).lower()
    return {"delta": delta, "low": low, "high": high, "covers_zero": may_be_chance}


def json_text(table: Table) -> str:
    """Return the table as JSON."""
    document = table_document(table)
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


FORMATTERS: Mapping[str, Callable[[Table], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "csv": csv_text,
    "json": json_text,
    "latex": latex,
}
"""The functions that write the table, by the name of the format."""
