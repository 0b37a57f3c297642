"""Tables of text in columns, and what becomes of one that is wider than a terminal.

A table that is too wide is made narrower in these ways; the first that suffices is taken:

1. Long names and headings take several lines.
2. Columns that a reader can do without go, in the order that the table says, and a line below the
   table names them.
3. A table that needs all of its columns is turned, so that they become its rows.
4. Names take even more lines.
5. The columns that do not fit stand below the others, beside the first column again.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

GAP = "  "
"""What is between two columns."""

NAME_WIDTH = 30
"""Characters of a line of a name where the table is too wide; many ids of variants have fewer."""

NARROW_NAMES = (20, 12)
"""The same if it is still too wide."""

HEADING_WIDTH = 12
"""Number of characters up to which a heading stays on one line, whatever its column holds."""

Cell = Sequence[str]
"""The lines of a cell."""


@dataclass(frozen=True)
class TextTable:
    """A table of texts.

    Attributes:
        columns: the headings of the columns; a line end in one begins its next line.
        rows: the cells of each row, which are lists of lines.
        optional: headings of the columns that a reader can do without, the first to go first; a
            table without any needs all of its columns.
        names: headings of the columns of names and ids, which may take several lines.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    optional: Sequence[str] = ()
    names: Collection[str] = ()


def fitted_lines(table: TextTable, width: int | None) -> list[str]:
    """Return the lines of a table that is made as narrow as it has to be.

    Args:
        table: the table.
        width: number of characters that a line may have; None for the whole table.

    Returns:
        The lines, the last of which name the columns that were left out, if any were.
    """
    if width is None:
        return list(table_lines(table))
    tables, left_out = _fitted(table, width)
    lines = list(table_lines(tables[0]))
    for below in tables[1:]:
        lines += ["", *table_lines(below)]
    if left_out:
        names = ", ".join(_left_out_text(table, each) for each in left_out)
        lines += wrapped("left out: ", f"{names}; --wide shows all columns", width)
    return lines


def table_lines(table: TextTable) -> Iterator[str]:
    """Yield the lines of a table, with columns as wide as they need to be."""
    widths = _widths(table)
    for row in _rows_with_headings(table):
        for texts in itertools.zip_longest(*row, fillvalue=""):
            padded = (text.ljust(width) for text, width in zip(texts, widths, strict=True))
            yield GAP.join(padded).rstrip()


def wrapped(label: str, text: str, width: int, hanging: str = "") -> list[str]:
    """Return a label and a text, whose further lines begin below its first one.

    Where a label takes more than half of the width, they are only indented a little.

    Args:
        label: what the first line begins with.
        text: words; those that are longer than a line are cut.
        width: number of characters of a line.
        hanging: what further lines have before their text, besides the width of the label.
    """
    if len(label) > width // 2:
        return textwrap.wrap(label + text, width, subsequent_indent=GAP, break_on_hyphens=False)
    indent = " " * len(label) + hanging
    return textwrap.wrap(
        text, width, initial_indent=label, subsequent_indent=indent, break_on_hyphens=False
    )


def _fitted(table: TextTable, width: int) -> tuple[list[TextTable], Sequence[str]]:
    """Return a table that fits, in parts if need be, and the headings that were left out."""
    forms = list(_narrower(table))
    for form, left_out in forms:
        if _width(form) <= width:
            return [form], left_out
    narrowest, left_out = forms[-1]
    return list(_continued(narrowest, width)), left_out


def _narrower(table: TextTable) -> Iterator[tuple[TextTable, Sequence[str]]]:
    """Yield the forms of a table, each with what it leaves out, in the order of the module."""
    yield table, ()
    for count in range(len(table.optional) + 1):
        left_out = table.optional[:count]
        yield _broken(_without(table, left_out), NAME_WIDTH), left_out
    if not table.optional:
        turned = _turned(table)
        yield _joined(turned), ()
        yield turned, ()
    for longest in NARROW_NAMES:
        yield _broken(_without(table, table.optional), longest), table.optional


def _rows_with_headings(table: TextTable) -> list[Sequence[Cell]]:
    return [[heading.split("\n") for heading in table.columns], *table.rows]


def _widths(table: TextTable) -> list[int]:
    columns = zip(*_rows_with_headings(table), strict=True)
    return [max(map(len, itertools.chain(*cells))) for cells in columns]


def _width(table: TextTable) -> int:
    widths = _widths(table)
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _chosen(table: TextTable, positions: Sequence[int]) -> TextTable:
    """Return a table of some of the columns."""
    return dataclasses.replace(
        table,
        columns=[table.columns[position] for position in positions],
        rows=[[row[position] for position in positions] for row in table.rows],
    )


def _without(table: TextTable, left_out: Collection[str]) -> TextTable:
    kept = [position for position, heading in enumerate(table.columns) if heading not in left_out]
    return _chosen(table, kept)


def _left_out_text(table: TextTable, heading: str) -> str:
    """Return the heading of a column, and its text where that is the same in all rows."""
    position = table.columns.index(heading)
    texts = {tuple(row[position]) for row in table.rows}
    if len(texts) == 1:
        return f"{heading} ({', '.join(texts.pop())})"
    return heading


def _broken(table: TextTable, longest: int) -> TextTable:
    """Break headings that are wider than their columns, and names that are longer than a line."""
    are_names = [heading in table.names for heading in table.columns]
    rows = [
        [_broken_cell(cell, longest) if is_name else cell for cell, is_name in cells]
        for cells in (zip(row, are_names, strict=True) for row in table.rows)
    ]
    columns = []
    for position, heading in enumerate(table.columns):
        cells = itertools.chain(*(row[position] for row in rows))
        columns.append(_broken_heading(heading, max(map(len, cells), default=0)))
    return dataclasses.replace(table, columns=columns, rows=rows)


def _broken_cell(cell: Cell, longest: int) -> Cell:
    return [line for text in cell for line in _broken_text(text, longest)]


def _broken_heading(heading: str, width: int) -> str:
    """Break a heading only where it can be broken, even if it stays wider than its column."""
    longest = max(map(len, _pieces(heading, 0)))
    return "\n".join(_broken_text(heading, max(HEADING_WIDTH, width, longest)))


def _broken_text(text: str, longest: int) -> list[str]:
    """Break a text after slashes and spaces and before plus signs; what is too long, at hyphens."""
    lines = [""]
    for piece in _pieces(text, longest):
        for start in range(0, len(piece), longest):
            part = piece[start : start + longest]
            if len((lines[-1] + part).rstrip()) <= longest:
                lines[-1] += part
            else:
                lines.append(part)
    return [line.rstrip() for line in lines]


def _pieces(text: str, longest: int) -> list[str]:
    """Return the pieces of a text between which lines may end."""
    return [
        finer
        for piece in re.split(r"(?<=[/\s])|(?=\+)", text)
        for finer in (re.split(r"(?<=-)", piece) if len(piece) > longest else [piece])
    ]


def _turned(table: TextTable) -> TextTable:
    """Return the table with a row for each column but the first, whose texts become headings."""
    first, *others = zip(*_rows_with_headings(table), strict=True)
    return TextTable(["", *("\n".join(cell) for cell in first[1:])], others)


def _joined(table: TextTable) -> TextTable:
    """Return the table with one line per cell."""
    rows = [[[", ".join(cell)] for cell in row] for row in table.rows]
    return dataclasses.replace(table, rows=rows)


def _continued(table: TextTable, width: int) -> Iterator[TextTable]:
    """Yield tables of the first column and as many of the others as fit, but at least one."""
    positions = [0]
    for position in range(1, len(table.columns)):
        if len(positions) > 1 and _width(_chosen(table, [*positions, position])) > width:
            yield _chosen(table, positions)
            positions = [0]
        positions.append(position)
    yield _chosen(table, positions)
