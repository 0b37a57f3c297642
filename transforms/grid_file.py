"""Grid files: YAML to a grid, or all problems of the file with their places."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from transforms.errors import GridError, MissingExtraError
from transforms.grid import (
    Grid,
    Path,
    Problem,
    dotted_path,
    grid_from_document,
    grid_problems,
    missing_extras,
)


def parse_grid(text: str, origin: str, name: str) -> Grid:
    """Read a grid file.

    Args:
        text: YAML.
        origin: where the text comes from, for the messages.
        name: of the grid, where the file gives none.

    Raises:
        GridError: one message with all problems, each as ``origin:line:column: where: what``.
        MissingExtraError: one such message, where libraries are missing and all else is well.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
        marks, problems = _marks(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{origin}:{mark.line + 1}:{mark.column + 1}" if mark else origin
        raise GridError(f"{place}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise GridError(f"{origin}: not valid YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise GridError(f"{origin}: an alias holds itself, or the file is nested deeply") from error
    problems += grid_problems(document)
    if problems:
        located = sorted((*_place(marks, path), dotted_path(path), text) for path, text in problems)
        lines = (
            f"{origin}:{line}:{column}: {path}: {text}" for line, column, path, text in located
        )
        missing = missing_extras(document)
        if len(problems) == len(missing):
            extras = {extra for _, extra in missing.values()}
            raise MissingExtraError("\n".join(lines), tuple(sorted(extras)))
        raise GridError("\n".join(lines))
    return grid_from_document(document, name)


def _marks(root: yaml.Node | None) -> tuple[dict[Path, yaml.Mark], list[Problem]]:
    """Return where each path of the document stands in its text, and keys that stand twice."""
    marks: dict[Path, yaml.Mark] = {}
    problems: list[Problem] = []

    def visit(node: yaml.Node, path: Path, mark: yaml.Mark) -> None:
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


def _place(marks: Mapping[Path, yaml.Mark], path: Path) -> tuple[int, int]:
    """Line and column, from 1, of a path or of what holds it."""
    while path and path not in marks:
        path = path[:-1]
    mark = marks.get(path)
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
