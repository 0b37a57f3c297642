"""Reading a JSON document that is too large to hold: its top-level lists, one element at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import IO, Any

from sysnoise.manifests.json_documents import MAX_DEPTH, is_deep

VALUE_CHARACTERS = 1 << 26
"""Number of characters of the longest value; a mask of a million runs has 10 million."""

READ_CHARACTERS = 1 << 20
"""Number of characters that are read at a time; more where one value is longer."""

VALUE_DEPTH = MAX_DEPTH - 8
"""How deep a value is nested; it is stored in documents that enclose it in four more or fewer."""

CUT = len("e+")
"""Length of the longest text after a number that may still belong to it, as in ``1e+5``."""


_TOO_DEEP = f"it is nested too deeply: more than {VALUE_DEPTH} lists and mappings in each other"
_TEXT_OR_CONSTANT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|(-?Infinity|NaN)', re.DOTALL)


class JsonError(ValueError):
    """A text that is not the JSON that is read here; the message says where."""


def members(opened: IO[str]) -> Iterator[tuple[str | None, Any]]:
    """Yield name and value of each member of a JSON object, in the order of the file.

    A list comes as an iterator of its elements, each parsed when it is asked for; what is left of
    the list is skipped when the next member is asked for. A document that is a list has one member,
    itself, without a name; any other document has none.

    Args:
        opened: the document, at its start.

    Raises:
        JsonError: the document is not JSON, has NaN or an infinity, which JSON does not have, or
            is nested too deeply.
        ValueError: it is not text in its encoding.
    """
    window = _Window(opened)
    start = window.peek()
    if start == "{":
        yield from _object(window)
    elif start == "[":
        yield from _list(window, None)
    else:
        window.value()
    if window.peek():
        raise window.error("Extra data", window.position)


def _object(window: _Window) -> Iterator[tuple[str | None, Any]]:
    window.position += 1
    if window.peek() == "}":
        window.position += 1
        return
    while True:
        if window.peek() != '"':
            raise window.error("Expecting property name in double quotes", window.position)
        name = window.value()
        window.consume(":")
        if window.peek() == "[":
            yield from _list(window, name)
        else:
            yield name, window.value()
        if window.consume(",}") == "}":
            return


def _list(window: _Window, name: str | None) -> Iterator[tuple[str | None, Iterator[Any]]]:
    """Yield the one member that is a list, and skip what the caller has left of it."""
    elements = _elements(window, name)
    yield name, elements
    for _ in elements:
        pass


def _elements(window: _Window, name: str | None) -> Iterator[Any]:
    window.position += 1
    if window.peek() == "]":
        window.position += 1
        return
    index = 0
    while True:
        try:
            element = window.value()
        except JsonError as error:
            raise JsonError(f"{name or ''}[{index}]: {error}") from error
        yield element
        index += 1
        if window.consume(",]") == "]":
            return


class _Window:
    """The part of a text that is being parsed.

    Attributes:
        position: position of the next character in the window.
    """

    def __init__(self, opened: IO[str]) -> None:
        self.position = 0
        self._opened = opened
        self._text = ""
        self._decoder = json.JSONDecoder(parse_constant=_refuse_constant)
        self._dropped = 0  # number of characters before the window
        self._line = 1  # line in which the window begins
        self._column = 1

    def peek(self) -> str:
        """Move to the next character that is not white space and return it; empty at the end."""
        while True:
            while self._text[self.position : self.position + 1] in {" ", "\t", "\n", "\r"}:
                self.position += 1
            if self.position < len(self._text) or not self._read_more():
                return self._text[self.position : self.position + 1]

    def consume(self, wanted: str) -> str:
        """Move past the next character, which must be one of ``wanted``, and return it."""
        found = self.peek()
        if not found or found not in wanted:
            raise self.error(f"Expecting {' or '.join(map(repr, wanted))}", self.position)
        self.position += 1
        return found

    def value(self) -> Any:
        """Move past the next value and return it."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self.position)
            except json.JSONDecodeError as error:
                if self._read_more():  # The window may end within the value.
                    continue
                raise self.error(error.msg, error.pos) from error
            except RecursionError as error:
                raise self.error(_TOO_DEEP, self.position) from error
            except _ConstantError as error:
                raise self.error(str(error), self._constant()) from error
            except ValueError as error:  # Python's own, of too many digits.
                message = "a whole number does not fit into 64 bits"
                raise self.error(message, self.position) from error
            if end + CUT < len(self._text) or not self._read_more():
                self._refuse_deep(value, end)
                self.position = end
                return value

    def _refuse_deep(self, value: Any, end: int) -> None:
        """Raise ValueError for a value that may be too deep for what works with it later."""
        brackets = sum(self._text.count(each, self.position, end) for each in "[{")
        if brackets > VALUE_DEPTH and is_deep(value, VALUE_DEPTH):
            raise self.error(_TOO_DEEP, self.position)

    def _constant(self) -> int:
        """Return the position of the first NaN or infinity of the value."""
        found = _TEXT_OR_CONSTANT.finditer(self._text, self.position)
        return next((each.start() for each in found if each[1]), self.position)

    def error(self, message: str, position: int) -> JsonError:
        """Return an error that says where in the whole text it is, as :mod:`json` does."""
        before = self._text[:position]
        line = self._line + before.count("\n")
        column = position - before.rfind("\n") if "\n" in before else self._column + position
        place = f"line {line} column {column} (char {self._dropped + position})"
        return JsonError(f"{message}: {place}")

    def _read_more(self) -> bool:
        """Read more of the text and drop what has been parsed; False at the end."""
        parsed, rest = self._text[: self.position], self._text[self.position :]
        if len(rest) > VALUE_CHARACTERS:
            message = f"a value is longer than {VALUE_CHARACTERS} characters"
            raise self.error(message, self.position)
        more = self._opened.read(max(READ_CHARACTERS, len(rest)))
        if not more:
            return False
        self._dropped += len(parsed)
        self._line += parsed.count("\n")
        _, newline, last = parsed.rpartition("\n")
        self._column = len(last) + (1 if newline else self._column)
        self._text, self.position = rest + more, 0
        return True


class _ConstantError(ValueError):
    """NaN or an infinity."""


def _refuse_constant(name: str) -> None:
    raise _ConstantError(f"{name} is not a JSON number")
