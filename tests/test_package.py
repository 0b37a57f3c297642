"""The package: what it offers by name, and what importing it does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sysnoise
from sysnoise.manifests import errors, grids, reading, records
from sysnoise.transforms import digests, geometry, grid, online, targets

CODECS = {"PIL", "cv2", "av", "simplejpeg", "imagecodecs", "apache_beam"}
MODULES = (errors, grids, reading, records, digests, geometry, grid, online, targets)


def test_names_are_those_of_the_modules() -> None:
    for name in sysnoise.__all__:
        defined = [module for module in MODULES if name in vars(module)]
        assert getattr(sysnoise, name) is getattr(defined[0], name)
    assert {*sysnoise.__all__} <= {*dir(sysnoise)}


def test_other_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'sysnoise' has no attribute 'nothing'"):
        getattr(sysnoise, "nothing")  # noqa: B009 - mypy would refuse the plain form


def test_importing_loads_no_codec() -> None:
    code = "import sys, sysnoise, sysnoise.transforms.pixels, sysnoise.transforms.methods"
    code += "; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "sysnoise.transforms.methods" in loaded
    assert loaded.isdisjoint(CODECS)
