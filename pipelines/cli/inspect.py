"""``grids``, ``configs``, ``compare``, ``codecs`` and ``status``: commands that change nothing."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from sysnoise.manifests.grids import grid_names, load_grid
from sysnoise.pipelines.cli.arguments import add_command, add_json, add_set, add_wide
from sysnoise.pipelines.cli.output import print_entry, table_width, terminal_width
from sysnoise.transforms.errors import MissingExtraError
from sysnoise.transforms.quantities import counted
from sysnoise.transforms.text_table import TextTable, fitted_lines, wrapped

if TYPE_CHECKING:
    from sysnoise.transforms.grid import Grid


def add_grids(commands: Any) -> None:
    """Add ``grids``."""
    parser = add_command(commands, "grids", "list the shipped grids, or the variants of one")
    parser.set_defaults(run=_grids)
    parser.add_argument("grid", nargs="?", metavar="NAME|FILE", help="a grid, by name or YAML file")


def add_configs(commands: Any) -> None:
    """Add ``configs``."""
    parser = add_command(
        commands, "configs", "list the shipped configs of 'evaluate', or print one"
    )
    parser.set_defaults(run=_configs)
    parser.add_argument("config", nargs="?", metavar="NAME", help="a config, by name")


def add_compare(commands: Any) -> None:
    """Add ``compare``."""
    parser = add_command(
        commands, "compare", "print the differences between two sets of the same samples"
    )
    parser.set_defaults(run=_compare)
    parser.add_argument("first", metavar="A", help="a finished set, path or fsspec URL")
    parser.add_argument("second", metavar="B", help="another one, made in another environment")
    add_wide(parser)


def add_codecs(commands: Any) -> None:
    """Add ``codecs``."""
    parser = add_command(commands, "codecs", "list the decoders and how far they differ")
    parser.set_defaults(run=_codecs)
    add_json(parser)
    add_wide(parser)


def add_status(commands: Any) -> None:
    """Add ``status``."""
    parser = add_command(commands, "status", "show how much of a set is done")
    parser.set_defaults(run=_status)
    add_set(parser, name="output")
    add_json(parser)


def _grids(arguments: argparse.Namespace) -> None:
    if arguments.grid:
        grid = load_grid(arguments.grid)
        _print_stacks(grid)
        for variant in () if grid.stacks else grid.variants:
            print(variant.id)
        _print_stands_for(grid)
        return
    from sysnoise.transforms.methods import install_line

    names = grid_names()
    width = max(map(len, names))
    for name in names:
        try:
            grid = load_grid(name)
        except MissingExtraError as error:
            print_entry(f"{name:<{width}}", f"  needs {install_line(*error.extras)}")
            continue
        print_entry(
            f"{name:<{width}}",
            f"{len(grid.variants):>5} variants: {counted(len(grid.decoders), 'decoder')}, "
            f"{counted(len(grid.resizes), 'resize')}, {counted(len(grid.colors), 'color')}, "
            + (f"{len(grid.sources)} sources, " if len(grid.sources) > 1 else "")
            + (f"{len(grid.geometries)} geometries, " if len(grid.geometries) > 1 else "")
            + f"{grid.geometry.rule}, {grid.combine.value}",
        )


def _print_stacks(grid: Grid) -> None:
    """Print names and ids of the stacks; on a terminal, long ids take several lines."""
    if not grid.stacks:
        return
    rows = [[[stack.name], [stack.variant.id]] for stack in grid.stacks]
    columns = ["stack", "variant"]
    table = TextTable(columns, rows, names=columns[1:])
    width = terminal_width()
    for line in fitted_lines(table, width)[width is None :]:  # A pipe has no headings.
        print(line)


def _print_stands_for(grid: Grid) -> None:
    """Say what stacks or methods stand for; names and ids alone go to the standard output."""
    from sysnoise.manifests.stands_for import stands_for_text

    texts = {stack.name: stack.stands_for for stack in grid.stacks} or {
        f"{axis} {name}": stands_for_text(axis, name)
        for axis, names in grid.axes.items()
        for name in names
    }
    for what, text in texts.items():
        if text:
            label, width = f"{what} stands for: ", terminal_width()
            lines = [label + text] if width is None else wrapped(label, text, width)
            print(*lines, sep="\n", file=sys.stderr)


def _configs(arguments: argparse.Namespace) -> None:
    from sysnoise.pipelines.evaluation.named_configs import config_names, config_text

    if arguments.config:
        print(config_text(arguments.config), end="")
        return
    for name in config_names():
        about = config_text(name).splitlines()[0].removeprefix("# ")
        print_entry(f"{name:<28}", about)


def _compare(arguments: argparse.Namespace) -> None:
    from sysnoise.pipelines.comparison.compare import compare, format_comparison

    print(format_comparison(compare(arguments.first, arguments.second), table_width(arguments)))


def _codecs(arguments: argparse.Namespace) -> None:
    from sysnoise.pipelines.comparison.codecs import describe_codecs, format_codecs

    document = describe_codecs()
    if arguments.json:
        print(json.dumps(document, indent=2))
    else:
        print(format_codecs(document, table_width(arguments)))


def _status(arguments: argparse.Namespace) -> None:
    from sysnoise.pipelines.generation.status import describe_status, format_status

    document = describe_status(arguments.output)
    print(json.dumps(document, indent=2) if arguments.json else format_status(document))
