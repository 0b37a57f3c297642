"""YAML files, whose problems are reported all at once, each with its line and column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from sysnoise.manifests.json_documents import TOO_DEEP, is_deep, is_int64
from sysnoise.transforms.problems import DocumentPath, DocumentProblem, dotted_path

MAX_CHARACTERS = 2**18
"""Characters of a YAML file; PyYAML reads some 100,000 in a second."""


class YamlError(ValueError):
    """A text that is not YAML; the message says where and why."""


@dataclass(frozen=True)
class YamlFile:
    """A document and the places of its values in the text.

    Attributes:
        origin: where the text comes from, for messages.
        document: the parsed value.
        marks: the place of each path in the text.
        doubled: the keys that are set twice.
    """

    origin: str
    document: Any
    marks: Mapping[DocumentPath, yaml.Mark]
    doubled: tuple[DocumentProblem, ...]

    def located(self, problems: Iterable[DocumentProblem], whole: str) -> list[str]:
        """Return ``origin:line:column: where: what`` for each problem, in the order of the text.

        Args:
            problems: the problems of the document, including keys that are set twice.
            whole: the name of the document.
        """
        found = ((*self._place(path), dotted_path(path, whole), text) for path, text in problems)
        return [
            f"{self.origin}:{line}:{column}: {path}: {text}"
            for line, column, path, text in sorted(found)
        ]

    def _place(self, path: DocumentPath) -> tuple[int, int]:
        """Return line and column, from 1, of a path or of the nearest value around it."""
        while path and path not in self.marks:
            path = path[:-1]
        mark = self.marks.get(path)
        return (mark.line + 1, mark.column + 1) if mark else (1, 1)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without aliases, which let a short text stand for a huge document."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem="aliases are not read; write the value out", problem_mark=mark
            )
        return super().compose_node(parent, index)


def read_yaml(text: str, origin: str) -> YamlFile:
    """Read a YAML document with the places of its values.

    Args:
        text: the YAML text.
        origin: where the text comes from, for messages.

    Raises:
        YamlError: the text is not YAML, has an alias, or is too long or nested too deeply.
    """
    if len(text) > MAX_CHARACTERS:
        raise YamlError(f"{origin}: longer than {MAX_CHARACTERS} characters")
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        document = None if root is None else loader.construct_document(root)
        marks, doubled = _marks(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{origin}:{mark.line + 1}:{mark.column + 1}" if mark else origin
        raise YamlError(f"{place}: not valid YAML: {error.problem}") from error
    except RecursionError as error:
        raise YamlError(f"{origin}: {TOO_DEEP}") from error
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        # PyYAML raises any of these where a value does not fit its tag.
        raise YamlError(f"{origin}: not valid YAML: {' '.join(str(error).split())}") from error
    if is_deep(document):
        raise YamlError(f"{origin}: {TOO_DEEP}")
    _check_numbers(document, origin)
    return YamlFile(origin, document, marks, tuple(doubled))


def _check_numbers(document: Any, origin: str) -> None:
    """Refuse whole numbers that no setting has, some of which Python cannot even print."""
    waiting = [document]
    for value in waiting:  # It grows by the values that are found.
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set):
            waiting += value
        elif isinstance(value, int) and not is_int64(value):
            raise YamlError(f"{origin}: a number does not fit into 64 bits")


def _marks(root: yaml.Node | None) -> tuple[dict[DocumentPath, yaml.Mark], list[DocumentProblem]]:
    """Return the place of each path of the document in its text, and keys that are set twice."""
    marks: dict[DocumentPath, yaml.Mark] = {}
    problems: list[DocumentProblem] = []

    def visit(node: yaml.Node, path: DocumentPath, mark: yaml.Mark) -> None:
        marks[path] = mark
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if (*path, key.value) in marks:
                    problems.append(((*path, key.value), "is set twice"))
                visit(value, (*path, key.value), key.start_mark)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                visit(item, (*path, index), item.start_mark)

    if root is not None:
        visit(root, (), root.start_mark)
    return marks, problems
