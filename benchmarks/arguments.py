"""The command line of a benchmark."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path


def parse_arguments(
    program: str, description: str | None, sizes: Iterable[str]
) -> argparse.Namespace:
    """Return ``output``, a folder, and ``sizes``, a name of how much is measured."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--sizes", choices=sizes, default="full", help="smoke: a few images, to see that it runs"
    )
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    return arguments
