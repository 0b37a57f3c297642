"""Pieces of HTML: tables, cells and choices. Arguments are text, unless they say otherwise."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from enum import Enum


class Order(Enum):
    """Whether the reader can sort a table."""

    SORTABLE = "sortable"
    FIXED = "fixed"


def table(
    caption: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    order: Order = Order.SORTABLE,
) -> str:
    """Return a table in a box of its own that scrolls; the cells are HTML, the rest is text."""
    heads = "".join(_heading(each, order) for each in headings)
    body = "".join(f"<tr>{''.join(row)}</tr>\n" for row in rows)
    name = html.escape(caption)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{name}">'
        f'<table class="{order.value}">'
        f"<caption>{name}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>\n{body}</tbody></table></div>\n"
    )


def _heading(text: str, order: Order) -> str:
    name = html.escape(text)
    kind = ' class="text"' if text in TEXTS else ""
    button = f'<button type="button">{name}</button>' if order is Order.SORTABLE else name
    return f'<th scope="col"{kind}>{button}</th>'


TEXTS = (
    *("differs in", "kind", "library", "options", "version", "build", "value"),
    *("model", "worst of each noise", "setting"),
)
"""Headings of columns that hold texts."""


def name_cell(text: str, marks: str = "", notes: Iterable[str] = ()) -> str:
    """Return the heading of a row, with smaller lines of notes below it.

    ``marks`` are attributes, as HTML with a space before them.
    """
    return f'<th scope="row"{marks}>{code(text)}{_below(notes)}</th>'


def breakable(text: str) -> str:
    """Return a text that can break after ``/`` and before ``+``; after ``-`` browsers break it."""
    return html.escape(text).replace("/", "/<wbr>").replace("+", "<wbr>+")


def code(text: str) -> str:
    """Return a name, which breaks as :func:`breakable` says."""
    return f"<code>{breakable(text)}</code>"


def _below(lines: Iterable[str]) -> str:
    return "".join(f"<br><small>{breakable(each)}</small>" for each in lines)


def cell(text: object, marks: str = "") -> str:
    """Return a cell of a number; ``marks`` as of :func:`name_cell`."""
    return f"<td{marks}>{breakable(str(text))}</td>"


def lines_cell(lines: Sequence[str], marks: str = "") -> str:
    """Return a cell of a line and smaller ones below it; ``marks`` as of :func:`name_cell`."""
    return f"<td{marks}>{breakable(lines[0])}{_below(lines[1:])}</td>"


def text_cell(text: object) -> str:
    """Return a cell of a text, which may break."""
    return cell(text, ' class="text"')


def script_json(data: object) -> str:
    """Return JSON that can stand in a script element: no text of it ends that or opens another."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def options(texts: Iterable[object], chosen: int = 0, values: Sequence[int] | None = None) -> str:
    """Return the options of a choice; their values are their numbers, unless values are given."""
    return "".join(
        f'<option value="{values[index] if values else index}"'
        f"{' selected' if index == chosen else ''}>"
        f"{html.escape(str(text))}</option>"
        for index, text in enumerate(texts)
    )


def select(name: str, label: str, choices: str) -> str:
    """Return a choice with its label; ``choices`` as :func:`options` gives them."""
    return f'<label>{label}<select id="{name}">{choices}</select></label>\n'
