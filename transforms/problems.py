"""Problems in a document that a user wrote, and where they are."""

from __future__ import annotations

import math

DocumentPath = tuple[str | int, ...]
"""The keys and indices that lead from the whole document to one of its values."""

DocumentProblem = tuple[DocumentPath, str]
"""The place of a problem in a document, and its description."""


def dotted_path(path: DocumentPath, whole: str) -> str:
    """Return a path of a document as text: ``decoders[1]``, or ``whole`` for all of it."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or whole


def is_number(value: object) -> bool:
    """Whether a value of a document is a finite number; True and False are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
