"""Mappings of CONFIG.yaml, whose values are taken one by one while problems are collected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from sysnoise.pipelines.evaluation.config_values import entries, shown
from sysnoise.transforms.methods import unknown_name
from sysnoise.transforms.problems import DocumentPath, DocumentProblem

Value = TypeVar("Value")

AUTO = "auto"
"""What a config says where a value is the model's own."""
MAPPING = "a mapping of settings"


def refused() -> NoReturn:
    """Stand for what is never made, because a config with problems is refused."""
    raise AssertionError("a config with problems is refused, so nothing is made of it")


@dataclass(frozen=True)
class Findings:
    """What is found in a config beside its values.

    Attributes:
        problems: what is wrong with it.
        left_open: places of the values that the model says.
    """

    problems: list[DocumentProblem] = field(default_factory=list)
    left_open: list[DocumentPath] = field(default_factory=list)


class ConfigSection:
    """A mapping of the file.

    Taking a value gives a function that returns it. These functions are called to make a config,
    which happens only if the file has no problems.
    """

    def __init__(
        self, value: object, path: DocumentPath, findings: Findings, expected: str = MAPPING
    ) -> None:
        """Take the value of a path; ``expected`` says what it must be."""
        self._path = path
        self._findings = findings
        self._values: Mapping[Any, Any] | None = value if isinstance(value, Mapping) else None
        if self._values is None:
            self.report((), f"expected {expected}, found {shown(value)}")

    def only(self, *fields: str) -> None:
        """Report keys that are none of these."""
        for key in self._values or ():
            if key not in fields:
                self.report((str(key),), unknown_name("setting", key, fields))

    def raw(self, name: str) -> Any:
        """Return a value as it is in the file, or None."""
        return None if self._values is None else self._values.get(name)

    def take(
        self, name: str, read: Callable[[Any], Value], default: Value | None = None
    ) -> Callable[[], Value]:
        """Take what ``read`` makes of a value; it raises ValueError where the value is wrong."""
        if self._values is None:
            return refused
        if name not in self._values:
            if default is not None:
                return lambda: default
            self.report((), f"{name!r} is missing")
            return refused
        try:
            value = read(self._values[name])
        except ValueError as error:
            self.report((name,), str(error))
            return refused
        return lambda: value

    def take_open(
        self, name: str, read: Callable[[Any], Value], unknown: Value
    ) -> Callable[[], Value]:
        """Take a value as :meth:`take` does, or ``unknown`` where it is left to the model."""
        if self.raw(name) != AUTO:
            return self.take(name, read)
        self._findings.left_open.append((*self._path, name))
        return lambda: unknown

    def section(self, name: str, expected: str = MAPPING) -> ConfigSection:
        """Return a value as a section of its own; a missing one is reported once."""
        if self._values is not None and name in self._values:
            return ConfigSection(self._values[name], (*self._path, name), self._findings, expected)
        if self._values is not None:
            self.report((), f"{name!r} is missing")
        return ConfigSection({}, self._path, Findings())

    def sections(self, name: str) -> list[ConfigSection]:
        """Return the entries of a list as sections of their own."""
        self.take(name, entries)
        found = self.raw(name)
        return [
            ConfigSection(entry, (*self._path, name, index), self._findings)
            for index, entry in enumerate(found if isinstance(found, list) else ())
        ]

    def report(self, path: DocumentPath, problem: str) -> None:
        """Collect a problem of the section or of something in it."""
        self._findings.problems.append(((*self._path, *path), problem))
