"""Grid files: YAML to a grid, or all problems of the file with their places."""

from __future__ import annotations

from sysnoise.manifests.yaml_file import YamlError, read_yaml
from sysnoise.transforms.errors import GridError, MissingExtraError
from sysnoise.transforms.grid import Grid, grid_from_document, grid_problems, missing_extras


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
        file = read_yaml(text, origin)
    except YamlError as error:
        raise GridError(str(error)) from error
    problems = [*file.doubled, *grid_problems(file.document)]
    if problems:
        message = "\n".join(file.located(problems, "grid"))
        missing = missing_extras(file.document)
        if len(problems) == len(missing):
            extras = {extra for _, extra in missing.values()}
            raise MissingExtraError(message, tuple(sorted(extras)))
        raise GridError(message)
    return grid_from_document(file.document, name)
