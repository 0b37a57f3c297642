"""The shipped grids, and how a grid is loaded by name or from a file."""

from __future__ import annotations

import importlib.resources
import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sysnoise.transforms.grid import Grid


def grid_names() -> list[str]:
    """Return the names of the shipped grids, sorted.

    Examples:
        >>> from sysnoise import grid_names
        >>> grid_names()[:3]
        ['coco-300-squash', 'coco-416', 'coco-640-letterbox']
    """
    files = importlib.resources.files(__name__).iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load_grid(name_or_file: str) -> Grid:
    """Load a shipped grid by name, or a YAML file by path or fsspec URL.

    Args:
        name_or_file: a name of :func:`grid_names`, or a path that ends in ``.yaml`` or ``.yml``.

    Raises:
        GridError: there is no such grid or file, or it is bad; all its problems are listed.
        MissingExtraError: the only problem is that libraries of methods are not installed.

    Examples:
        >>> from sysnoise import load_grid
        >>> grid = load_grid("imagenet-one-factor")
        >>> len(grid.variants), grid.variants[1].id
        (17, 'opencv/pillow-bilinear/rgb')
    """
    import io

    from sysnoise.manifests.bounded import open_binary, open_url
    from sysnoise.manifests.grids.grid_file import parse_grid
    from sysnoise.manifests.yaml_file import MAX_CHARACTERS
    from sysnoise.transforms.errors import GridError
    from sysnoise.transforms.methods import unknown_name

    if name_or_file in grid_names():
        file = importlib.resources.files(__name__) / f"{name_or_file}.yaml"
        return parse_grid(file.read_text("utf-8"), file.name, name_or_file)
    if not name_or_file.endswith((".yaml", ".yml")):
        known = unknown_name("grid", name_or_file, grid_names())
        raise GridError(f"{known}; or give the path of a grid file, which ends in .yaml")
    try:
        opened_file = open_binary(*open_url(name_or_file))
        with io.TextIOWrapper(opened_file, encoding="utf-8") as opened:
            text = opened.read(MAX_CHARACTERS + 1)
    except (OSError, ValueError) as error:
        raise GridError(f"reading the grid file {name_or_file!r}: {error}") from error
    stem, _ = posixpath.splitext(posixpath.basename(name_or_file))
    return parse_grid(text, name_or_file, stem)
