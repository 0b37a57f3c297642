"""Texts that others wrote, where a terminal or a line of text shows them."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return a text whose hidden characters are escaped as JSON does it; line ends stay.

    Hidden are all characters that :meth:`str.isprintable` refuses, the space aside: controls, which
    a terminal obeys, marks that turn the direction of writing, and surrogates, which cannot be
    encoded. JSON that is escaped in this way is still the same JSON.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else _escape(each) for each in text)


def encodable(text: str, encoding: str | None) -> str:
    """Return a text whose characters that an encoding lacks are escaped as JSON does it.

    Args:
        text: the text.
        encoding: name of the encoding; None for one that lacks none.
    """
    if encoding is None or _has(encoding, text):
        return text
    return "".join(each if _has(encoding, each) else _escape(each) for each in text)


def _has(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def one_line(text: str) -> str:
    r"""Return a text on one line, as :func:`printable`, its line ends as ``\n``."""
    return printable(text).replace("\n", r"\n")


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(rf"\u{units[place : place + 4]}" for place in range(0, len(units), 4))
