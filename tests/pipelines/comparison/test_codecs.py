"""``sysnoise codecs``, against plain library calls and NumPy."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema
import numpy as np
import pytest

from sysnoise.pipelines.cli.main import main
from sysnoise.pipelines.comparison.codecs import describe_codecs, format_codecs
from sysnoise.transforms.codecs.decoders import DECODERS
from sysnoise.transforms.codecs.probes import KINDS, probe_jpeg
from sysnoise.transforms.codecs.sniff import sniff
from sysnoise.transforms.libraries import LIBRARIES, Build, library_build
from sysnoise.transforms.methods import install_line, is_available
from sysnoise.transforms.resize.probes import PROBES, probe_picture
from sysnoise.transforms.resizers import RESIZES
from tests.conftest import Command
from tests.installed import installed
from tests.transforms import plain

CORE = [name for name, decoder in DECODERS.items() if decoder.extra is None]
TESTED = installed(DECODERS)
ORDINARY = [kind for kind in KINDS if kind != "cmyk"]
SUBSAMPLED = ["4:2:2", "4:2:0", "4:2:0-odd", "progressive"]
APART = ["simplejpeg-fastdct", "simplejpeg-fastupsample", "ffmpeg"]

RESIZED = [name for name in RESIZES if name != "none"]


def groups_of(names: Iterable[str], at_least: int) -> dict[str, Any]:
    group = {"type": "array", "items": {"enum": list(names)}, "minItems": at_least}
    return {"type": "array", "items": group}


def distances_of(names: Iterable[str], probes: Iterable[str]) -> dict[str, Any]:
    distance = {
        "type": ["object", "null"],
        "required": ["mean", "maximum"],
        "additionalProperties": False,
        "properties": {
            "mean": {"type": "number", "minimum": 0, "maximum": 255},
            "maximum": {"type": "integer", "minimum": 0, "maximum": 255},
        },
    }
    return {
        "type": "object",
        "required": list(probes),
        "additionalProperties": {
            "type": "object",
            "propertyNames": {"enum": list(names)},
            "additionalProperties": distance,
        },
    }


TEXT_OR_NULL = {"type": ["string", "null"]}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 8,
    "properties": {
        "broken": {"type": "object", "additionalProperties": {"type": "string"}},
        "decoders": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "name": {"enum": list(DECODERS)},
                    "library": {"type": "string"},
                    "version": TEXT_OR_NULL,
                    "codec": {"type": "object", "additionalProperties": {"type": "string"}},
                    "dct": {"enum": ["islow", "ifast", None]},
                    "upsampling": TEXT_OR_NULL,
                    "exif": {"enum": ["ignored", "applied"]},
                    "extra": TEXT_OR_NULL,
                    "available": {"type": "boolean"},
                },
                "minProperties": 9,
            },
        },
        "identical": {
            "type": "object",
            "required": list(KINDS),
            "additionalProperties": groups_of(DECODERS, 2),
        },
        "distinct": groups_of(DECODERS, 1),
        "distance": distances_of(DECODERS, KINDS),
        "counts": {
            "type": "object",
            "required": ["decoders", "distinct_decoders", "resizes", "resize_families"],
            "additionalProperties": {"type": "integer", "minimum": 1},
        },
        "resizes": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "resizes": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "name": {"enum": RESIZED},
                            "library": {"type": "string"},
                            "version": TEXT_OR_NULL,
                            "options": {"type": "object"},
                            "extra": TEXT_OR_NULL,
                            "available": {"type": "boolean"},
                        },
                        "minProperties": 6,
                    },
                },
                "probes": {"type": "object", "required": list(PROBES)},
                "identical": groups_of(RESIZED, 2),
                "family_distance": {"const": 0.25},
                "families": groups_of(RESIZED, 1),
                "distance": distances_of(RESIZED, PROBES),
            },
            "minProperties": 6,
        },
        "stands_for": {
            "type": "object",
            "required": ["decoder", "resize"],
            "additionalProperties": {
                "type": "object",
                "additionalProperties": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["what", "versions", "mean", "maximum", "how"],
                        "additionalProperties": False,
                        "properties": {
                            "what": {"type": "string"},
                            "versions": {"type": "string"},
                            "mean": {"type": "number", "minimum": 0, "maximum": 255},
                            "maximum": {"type": "integer", "minimum": 0, "maximum": 255},
                            "how": {"type": "string"},
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def document(sysnoise: Command) -> Mapping[str, Any]:
    done = sysnoise("codecs", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def test_json_keeps_its_form(document: Mapping[str, Any]) -> None:
    jsonschema.validate(document, SCHEMA)
    assert [row["name"] for row in document["decoders"]] == list(DECODERS)
    available = [row["name"] for row in document["decoders"] if row["available"]]
    assert set(TESTED) <= set(available)
    assert all(list(of) == available for of in document["distance"].values())


def test_rows_say_what_the_registry_says(document: Mapping[str, Any]) -> None:
    rows = {row["name"]: row for row in document["decoders"]}
    turbo = library_build("simplejpeg")
    assert rows["simplejpeg-fastdct"] == {
        "name": "simplejpeg-fastdct",
        "library": "simplejpeg",
        "version": turbo["version"],
        "codec": {"libjpeg_turbo": turbo["libjpeg_turbo"]},
        "dct": "ifast",
        "upsampling": "fancy",
        "exif": "ignored",
        "extra": None,
        "available": True,
    }
    assert rows["zune"]["codec"] == {"zune_jpeg": library_build("zune")["zune_jpeg"]}
    assert rows["opencv-exif"]["exif"] == "applied"
    assert rows["ffmpeg"]["upsampling"] == "swscale bicubic"
    assert rows["jpeglib-9e"]["codec"] == {"libjpeg": "9e"}


def test_facts_are_listed(document: Mapping[str, Any]) -> None:
    facts = document["stands_for"]["decoder"]["simplejpeg-fastdct"]
    (fact,) = [each for each in facts if each["what"] == "tf.io.decode_jpeg"]
    assert (fact["mean"], fact["maximum"]) == (0, 0)
    text = format_codecs(dict(document))
    assert ("tf.io.decode_jpeg" in text, "docs/deployed.md" in text) == (False, True)


@pytest.mark.parametrize("kind", ORDINARY)
def test_pillow_opencv_and_simplejpeg_are_identical(kind: str, document: Mapping[str, Any]) -> None:
    (group,) = [names for names in document["identical"][kind] if "pillow" in names]
    assert {"pillow", "opencv", "opencv-exif", "simplejpeg"} <= set(group)
    assert {"simplejpeg-fastdct", "ffmpeg"}.isdisjoint(group)


@pytest.mark.parametrize("kind", SUBSAMPLED)
def test_the_others_stand_apart(kind: str, document: Mapping[str, Any]) -> None:
    distance = document["distance"][kind]
    assert 0.5 < distance["simplejpeg-fastdct"]["mean"] < 1.5
    for name in ("simplejpeg-fastupsample", "ffmpeg"):
        assert distance[name]["mean"] > 4
        assert distance[name]["maximum"] > 50
    groups = [set(names) for names in document["identical"][kind]]
    for name in APART:
        assert not any({"pillow", name} <= group for group in groups)


@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_those_of_numpy(kind: str, document: Mapping[str, Any]) -> None:
    data = probe_jpeg(kind)
    read = [name for name in plain.DECODERS if DECODERS[name].supports(sniff(data))]
    pixels = {name: plain.DECODERS[name](data) for name in read}
    assert {"pillow", "opencv", "simplejpeg", *APART} <= set(pixels)
    for name, values in pixels.items():
        absolute = np.abs(values.astype(np.float64) - pixels["pillow"])
        found = document["distance"][kind][name]
        assert found["mean"] == pytest.approx(absolute.mean(), rel=1e-12)
        assert found["maximum"] == absolute.max()
    by_content: dict[bytes, list[str]] = {}
    for name, values in pixels.items():
        by_content.setdefault(values.tobytes(), []).append(name)
    groups = [[n for n in names if n in pixels] for names in document["identical"][kind]]
    assert [names for names in groups if len(names) > 1] == [
        names for names in by_content.values() if len(names) > 1
    ]


def test_decoders_that_agree_on_all_kinds_but_cmyk_are_one(document: Mapping[str, Any]) -> None:
    groups = document["distinct"]
    assert document["counts"]["distinct_decoders"] == len(groups)
    assert {name for group in groups for name in group} == set(document["distance"]["4:4:4"])
    assert {"pillow", "opencv", "opencv-exif", "simplejpeg"} <= set(groups[0])
    for name in (*APART, "ffmpeg-accurate", "ffmpeg-nv12"):
        assert [name] in groups


def test_resizes_are_compared_as_numpy_does(document: Mapping[str, Any]) -> None:
    found = document["resizes"]
    available = [name for name in RESIZED if is_available(RESIZES[name])]
    assert [row["name"] for row in found["resizes"]] == RESIZED
    for probe, sizes in PROBES.items():
        source = probe_picture(*sizes.source)
        reference = plain.RESIZES["pillow-bilinear"](source, sizes.size)
        assert list(found["distance"][probe]) == available
        for name, resize in plain.RESIZES.items():
            absolute = np.abs(resize(source, sizes.size).astype(float) - reference)
            assert found["distance"][probe][name] == {
                "mean": pytest.approx(absolute.mean(), rel=1e-12),
                "maximum": absolute.max(),
            }


def test_families_hold_every_resize_once(document: Mapping[str, Any]) -> None:
    found, counts = document["resizes"], document["counts"]
    available = [name for name in RESIZED if is_available(RESIZES[name])]
    assert sorted(name for family in found["families"] for name in family) == sorted(available)
    assert counts["resizes"] == len(available)
    assert counts["resize_families"] == len(found["families"])


@pytest.mark.extras
def test_counts_with_all_extras() -> None:
    document = describe_codecs()
    jsonschema.validate(document, SCHEMA)
    assert document["counts"]["distinct_decoders"] >= 12
    assert document["counts"]["resize_families"] >= 25


def test_text_tells_the_same(document: Mapping[str, Any], sysnoise: Command) -> None:
    done = sysnoise("codecs")
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 120
    rows, groups, distances, resizes, _ = (
        {line.split()[0]: line.split()[1:] for line in section.splitlines()}
        for section in done.stdout.split("\n\n")
    )
    assert rows["pillow"][:2] == ["pillow", library_build("pillow")["version"]]
    commit = str(library_build("jpegli")["jpegli"])
    assert rows["jpegli"][2:4] == ["jpegli", commit[:12]]
    assert [*resizes][2] == "pillow-bilinear"
    shown = [name for name in resizes if name in document["resizes"]["distance"]["squashed"]]
    means = [
        sum(of[name]["mean"] for of in document["resizes"]["distance"].values()) for name in shown
    ]
    assert means == sorted(means)
    assert f"The farthest from pillow-bilinear is {shown[-1]}." in done.stdout
    assert groups["4:2:0"][:5] == ["pillow", "=", "opencv", "=", "opencv-exif"]
    assert distances["opencv"][:6] == ["="] * 6
    found = document["distance"]["4:2:0"]["ffmpeg"]
    assert distances["ffmpeg"][2] == f"{found['mean']:.2f}/{found['maximum']}"
    squashed = document["resizes"]["distance"]["squashed"]["opencv-area"]
    assert resizes["opencv-area"][2] == f"{squashed['mean']:.2f}/{squashed['maximum']}"
    assert resizes["opencv-linear-exact"][-1] == "opencv-linear"
    assert resizes["pillow-bilinear"][1:] == ["=", "=", "=", "-"]
    counts, text = document["counts"], " ".join(done.stdout.split())
    assert f" are {counts['distinct_decoders']} distinct ones, " in text
    for group in document["distinct"]:
        assert len(group) == 1 or f" {' = '.join(group)} " in text.partition("distinct ones")[2]
    listed = done.stdout.partition("Identical pixels")[2].partition("\nThe ")[0].splitlines()[1:]
    for above, line in itertools.pairwise(listed):  # A line that ends in "=" goes on, deeper.
        assert line.startswith(" " * 15) == above.endswith("=")
    assert f" form {counts['resize_families']} families: " in text


@pytest.mark.parametrize("width", [*range(60, 140, 10), 200])
def test_text_fits_a_terminal_and_says_what_it_leaves_out(
    width: int, document: Mapping[str, Any]
) -> None:
    lines = format_codecs(dict(document), width).splitlines()
    assert max(map(len, lines)) <= width
    whole, heading = (
        re.split("  +", text) for text in (format_codecs(dict(document)).splitlines()[0], lines[0])
    )
    order = ["extra", "EXIF", "library", "upsampling", "DCT"]
    left_out = order[: len(whole) - len(heading)]
    assert heading == [each for each in whole if each not in left_out]
    text = " ".join(" ".join(lines).split())
    if left_out:
        assert f" left out: {', '.join(left_out)}; --wide shows all columns " in text
    assert left_out or width > 60
    assert "left out:" not in text or width < 200


@pytest.fixture
def no_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the modules of the extras not found."""
    for name, library in LIBRARIES.items():
        if library.extra:
            absent = dataclasses.replace(library, module=f"absent_{name}")
            monkeypatch.setitem(LIBRARIES, name, absent)


@pytest.mark.usefixtures("no_extras")
def test_absent_extras_are_listed_with_their_pip_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert not is_available(DECODERS["dali"])
    assert main(["codecs"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"not installed; {install_line('dali')} provides: dali not installed; " in text
    names = ", ".join(name for name in DECODERS if name.startswith("jpeglib"))
    assert f"; {install_line('jpeglib')} provides: {names}" in text

    assert main(["codecs", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, SCHEMA)
    (row,) = [row for row in document["decoders"] if row["name"] == "dali"]
    assert (row["version"], row["codec"], row["available"]) == (None, {}, False)
    assert all(list(of) == CORE for of in document["distance"].values())
    core = [name for name in RESIZED if not RESIZES[name].extra]
    assert all(list(of) == core for of in document["resizes"]["distance"].values())
    assert "provides: ort-linear, ort-linear-asymmetric" in " ".join(text.split())


def test_neither_beam_nor_arrow_is_loaded() -> None:
    script = (
        "import sys\n"
        "from sysnoise.pipelines.cli.main import main\n"
        "code = main(['codecs'])\n"
        "sys.exit(code or bool({'apache_beam', 'pyarrow', 'fsspec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_libraries_that_cannot_be_loaded_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def build() -> Build:
        raise ImportError("libGL.so.1: cannot open shared object file")

    library_build.cache_clear()
    monkeypatch.setitem(LIBRARIES, "stb", dataclasses.replace(LIBRARIES["stb"], build=build))
    found = describe_codecs()
    message = (
        "the package 'libstb' is installed, but cannot be loaded: libGL.so.1: cannot open shared "
        "object file; install what it needs, or uninstall it"
    )
    assert found["broken"] == {"stb": message}
    assert message in " ".join(format_codecs(found).split())
    assert "sysnoise[stb]" not in format_codecs(found)
    (row,) = [row for row in found["decoders"] if row["name"] == "stb"]
    assert not row["available"]
    assert "stb" not in found["distance"]["4:4:4"]
    library_build.cache_clear()
