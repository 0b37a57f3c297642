"""The package itself: what it offers by name, and what it does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

import transforms
from transforms import arrays, fanout, grid

CODECS = {"PIL", "cv2", "av", "simplejpeg", "imagecodecs", "apache_beam"}


def test_names_are_those_of_the_modules() -> None:
    assert transforms.__all__ == ["Grid", "Variant", "apply", "pixel_digest"]
    assert transforms.Grid is grid.Grid
    assert transforms.Variant is grid.Variant
    assert transforms.apply is fanout.apply
    assert transforms.pixel_digest is arrays.pixel_digest


def test_other_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'transforms' has no attribute 'nothing'"):
        getattr(transforms, "nothing")  # noqa: B009 - mypy would refuse the plain form


def test_importing_loads_no_codec() -> None:
    code = "import sys, transforms, transforms.arrays, transforms.methods; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "transforms.methods" in loaded
    assert loaded.isdisjoint(CODECS)
