"""Numbers in texts for people: counts with their nouns, sizes and durations."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 class``, ``2 classes``, ``1,500 classes``.

    Args:
        count: the number, 0 or more.
        noun: the noun in the singular, which forms its plural by the rule.
    """
    return f"{count:,} {noun if count == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def size_text(size: float) -> str:
    """Return a number of bytes in decimal units, as disks and ``ls --si`` count: ``87.9 GB``."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:,.1f} TB"


def duration_text(seconds: float) -> str:
    """Return a duration in two units at most: ``7.2 s``, ``21 min 02 s``, ``37 min``, ``3 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if seconds < 3599.5:
        return _in_two_units(round(seconds), "min", "s")
    return _in_two_units(round(seconds / 60), "h", "min")


def _in_two_units(number: int, larger: str, smaller: str) -> str:
    """Return a number of the smaller unit, of which the larger one has 60."""
    whole, rest = divmod(number, 60)
    return f"{whole:,} {larger} {rest:02d} {smaller}" if rest else f"{whole:,} {larger}"
