"""What ``make test`` installs of the extras, so that tests know what they run without."""

from __future__ import annotations

from typing import Any

import pytest

from sysnoise.transforms.libraries import LIBRARIES

TEST_EXTRAS = (
    *("demo", "dev", "jxl", "bench", "dask", "evaluate"),
    *("jpegli", "jpeglib", "skimage", "stb", "vips", "zune"),
)
"""The extras of the Makefile's variable of this name."""

INSTALLED = tuple(
    name for name, each in LIBRARIES.items() if each.extra is None or each.extra in TEST_EXTRAS
)
"""The libraries that the tests without the marker ``extras`` run with."""


def marks(library: str) -> list[pytest.MarkDecorator]:
    """The marks of a test of a method of this library."""
    return [] if library in INSTALLED else [pytest.mark.extras]


def installed(methods: dict[str, Any]) -> list[str]:
    """The names of the methods whose libraries the tests run with."""
    return [name for name, method in methods.items() if method.library in INSTALLED]
