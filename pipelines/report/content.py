"""The parts of the page as plain data, which ``templates/`` write as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sysnoise.pipelines.scoring.blocks import Block

TEXT_COLUMNS = frozenset(
    {
        *("differs in", "kind", "library", "options", "version", "build", "value"),
        *("model", "worst of each noise", "setting"),
    }
)
"""Headings of the columns that hold texts, which are aligned to the left and may break."""


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        anchor: the id of its element, and the name of its template without ``.html``.
        heading: its heading.
        content: what its template shows, as plain data.
    """

    anchor: str
    heading: str
    content: object


class Order(Enum):
    """Whether the reader can sort a table; the values are classes of its element."""

    SORTABLE = "sortable"
    FIXED = "fixed"


@dataclass(frozen=True)
class HtmlCell:
    """A cell of a table.

    Attributes:
        text: the text of the cell.
        notes: smaller lines below the text.
        sort_key: what its column is sorted by, empty for a missing value; None for the text.
        level: the strength of the cell's color, 0 to 1; None for no color.
    """

    text: str
    notes: Sequence[str] = ()
    sort_key: str | None = None
    level: float | None = None


@dataclass(frozen=True)
class HtmlRow:
    """A row of a table.

    Attributes:
        name: the heading of the row, which stands in the first column.
        cells: the cells of the other columns.
        is_baseline: whether the row is highlighted as that of the baseline.
    """

    name: HtmlCell
    cells: Sequence[HtmlCell]
    is_baseline: bool = False


@dataclass(frozen=True)
class HtmlTable:
    """A table.

    Attributes:
        caption: its caption.
        columns: the headings of its columns.
        rows: its rows.
        order: whether the reader can sort it.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[HtmlRow]
    order: Order = Order.SORTABLE

    @property
    def text_columns(self) -> frozenset[str]:
        """Headings of the columns that hold texts."""
        return TEXT_COLUMNS.intersection(self.columns)


@dataclass(frozen=True)
class Choice:
    """A choice that the reader makes.

    Attributes:
        id: the id of its element.
        label: the text beside it.
        options: the text of each option, by its value.
        chosen: the value of the option that is chosen first.
    """

    id: str
    label: str
    options: Mapping[int, str]
    chosen: int = 0


def text_row(name: str, *texts: object) -> HtmlRow:
    """Return a row of texts, sorted as they stand there."""
    return HtmlRow(HtmlCell(name), [HtmlCell(str(text)) for text in texts])


def number_key(value: float | None) -> str:
    """Return what a number is sorted by: all its digits, or nothing where it is missing."""
    return "" if value is None else repr(value)


def block_table(block: Block) -> HtmlTable:
    """Return a table of scoring; the reader cannot sort it."""
    rows = [
        HtmlRow(HtmlCell(name[0]), [HtmlCell(text, notes) for text, *notes in cells])
        for name, *cells in block.rows
    ]
    return HtmlTable(block.heading, block.columns, rows, Order.FIXED)
