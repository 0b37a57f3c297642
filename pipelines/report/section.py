"""A section of the page."""

from __future__ import annotations

from dataclasses import dataclass


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
