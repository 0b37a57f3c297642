"""What a grid refuses because of its methods: missing libraries, and colors that do not fit."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest

from sysnoise.manifests.grids.grid_file import parse_grid
from sysnoise.transforms import methods
from sysnoise.transforms.codecs.decoders import DECODERS
from sysnoise.transforms.errors import GridError, MissingExtraError
from sysnoise.transforms.grid_document import grid_from_document
from sysnoise.transforms.libraries import LIBRARIES, is_importable
from sysnoise.transforms.methods import install_line, is_available

CORE = {"pillow", "opencv", "simplejpeg", "pyav", "numpy"}


def document(**changes: Any) -> dict[str, Any]:
    return {
        "decoders": ["pillow", "ffmpeg-nv12"],
        "resizes": ["pillow-bilinear"],
        "colors": ["rgb"],
        "geometry": "shorter256-crop224",
        **changes,
    }


@pytest.fixture
def core_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the libraries of all extras."""
    monkeypatch.setattr(methods, "is_importable", CORE.__contains__)


@pytest.mark.parametrize("name", ["no_such_module", "no_such_package.module"])
def test_library_that_is_not_installed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = dataclasses.replace(LIBRARIES["jpeglib"], module=name)
    monkeypatch.setitem(LIBRARIES, "jpeglib", absent)
    assert not is_importable("jpeglib")
    assert not is_available(DECODERS["jpeglib-9e"])
    assert is_available(DECODERS["pillow"])


def test_core_does_not_load_the_extras() -> None:
    code = (
        "import sys\n"
        "from sysnoise.transforms import variants\n"
        "from sysnoise.transforms.codecs import encoders\n"
        "from sysnoise.transforms.methods import is_available\n"
        "methods = variants.DECODERS | variants.RESIZES | encoders.ENCODERS\n"
        "list(map(is_available, methods.values()))\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "cv2" in loaded
    assert loaded.isdisjoint(each.module for each in LIBRARIES.values() if each.extra)


WIDE = """\
decoders: [pillow, jpeglib-9e, dali]
resizes:
  - pillow-bilinear
  - dali-linear
colors: [rgb]
geometry: shorter256-crop224
"""


@pytest.mark.usefixtures("core_only")
def test_missing_libraries_are_located_with_the_pip_line() -> None:
    with pytest.raises(MissingExtraError) as caught:
        parse_grid(WIDE, "wide.yaml", "wide")
    assert caught.value.extras == ("dali", "jpeglib")
    assert str(caught.value).splitlines() == [
        "wide.yaml:1:20: decoders[1]: 'jpeglib-9e' is not installed here: it needs the extra "
        "jpeglib",
        "wide.yaml:1:32: decoders[2]: 'dali' is not installed here: it needs the extra dali",
        "wide.yaml:4:5: resizes[1]: 'dali-linear' is not installed here: it needs the extra dali",
        f"to install what is missing: {install_line('dali', 'jpeglib')}",
    ]


def test_a_grid_file_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def is_importable(library: str) -> bool:
        asked.append(library)
        return True

    monkeypatch.setattr(methods, "is_importable", is_importable)
    parse_grid(WIDE, "wide.yaml", "wide")
    assert asked == ["jpeglib", "dali", "dali"]


@pytest.mark.usefixtures("core_only")
def test_other_problems_are_told_beside_the_missing_libraries() -> None:
    with pytest.raises(GridError) as caught:
        parse_grid(WIDE.replace("colors: [rgb]", "colors: [rgb, rgbb]"), "wide.yaml", "wide")
    assert not isinstance(caught.value, MissingExtraError)
    assert "unknown color 'rgbb'" in str(caught.value)
    assert install_line("dali", "jpeglib") in str(caught.value)


@pytest.mark.usefixtures("core_only")
def test_document_with_a_missing_library_makes_no_grid() -> None:
    with pytest.raises(
        GridError, match=r"^decoders\[1\]: 'dali' is not installed here: .*extra dali\n.*pip"
    ):
        grid_from_document(document(decoders=["pillow", "dali"]), "g")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"combine": "one-factor", "colors": ["rgb", "bgr", "nv12-bt601"]},
        {"combine": "one-factor", "baseline": "ffmpeg-nv12/pillow-bilinear/rgb"},
        {"decoders": ["pillow"], "colors": ["rgb", "bgr"]},
    ],
)
def test_nv12_with_rgb(changes: dict[str, Any]) -> None:
    grid = grid_from_document(document(**changes), "g")
    met = {each.color for each in grid.variants if each.decoder == "ffmpeg-nv12"}
    assert met <= {"rgb"}


@pytest.mark.parametrize(
    ("changes", "others"),
    [
        ({"colors": ["rgb", "bgr", "nv12-bt601"]}, "'bgr', 'nv12-bt601'"),
        ({"colors": ["bgr"], "baseline": "pillow/pillow-bilinear/bgr"}, "'bgr'"),
        (
            {
                "combine": "one-factor",
                "colors": ["rgb", "bgr"],
                "baseline": "pillow/pillow-bilinear/bgr",
            },
            "'bgr'",
        ),
        (
            {
                "combine": "one-factor",
                "colors": ["rgb", "bgr", "nv12-bt709"],
                "baseline": "ffmpeg-nv12/pillow-bilinear/rgb",
            },
            "'bgr', 'nv12-bt709'",
        ),
    ],
)
def test_nv12_with_another_color(changes: dict[str, Any], others: str) -> None:
    with pytest.raises(GridError) as caught:
        grid_from_document(document(**changes), "g")
    expected = f"decoders[1]: 'ffmpeg-nv12' goes with color 'rgb' only, not with {others}"
    assert str(caught.value) == expected


def test_nv12_with_another_color_is_located() -> None:
    text = "decoders: [pillow,\n  ffmpeg-nv12]\nresizes: [pillow-bilinear]\n"
    text += "colors: [rgb, bgr]\ngeometry: shorter256-crop224\n"
    with pytest.raises(GridError, match=r"^g\.yaml:2:3: decoders\[1\]: 'ffmpeg-nv12' goes with"):
        parse_grid(text, "g.yaml", "g")


def test_a_decoder_that_turns_images_cannot_be_the_baseline() -> None:
    text = (
        "decoders: [opencv-exif, pillow]\nresizes: [pillow-bilinear]\ncolors: [rgb]\n"
        "geometry: shorter256-crop224\nbaseline: opencv-exif/pillow-bilinear/rgb\n"
    )
    with pytest.raises(GridError, match=r"^mine\.yaml:5:1: baseline: 'opencv-exif' rotates images"):
        parse_grid(text, "mine.yaml", "mine")
