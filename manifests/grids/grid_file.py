"""Grid files: YAML to a grid, or all problems of the file with their places."""

from __future__ import annotations

from sysnoise.manifests.yaml_file import YamlError, read_yaml
from sysnoise.transforms.errors import GridError, GridProblem, grid_error
from sysnoise.transforms.grid import Grid
from sysnoise.transforms.grid_document import grid_from_document


def parse_grid(text: str, origin: str, name: str) -> Grid:
    """Read a grid file.

    Args:
        text: the YAML text.
        origin: where the text comes from, for the messages.
        name: the name of the grid where the file has none.

    Raises:
        GridError: one message with all problems, each as ``origin:line:column: where: what``.
        MissingExtraError: likewise, where the only problem is that libraries are not installed.
    """
    try:
        file = read_yaml(text, origin)
    except YamlError as error:
        raise GridError(str(error)) from error
    problems = [GridProblem(*each) for each in file.doubled]
    try:
        grid = grid_from_document(file.document, name)
    except GridError as error:
        problems += error.problems
    if problems:
        lines = file.located(((each.path, each.message) for each in problems), "grid")
        raise grid_error(problems, lines)
    return grid
