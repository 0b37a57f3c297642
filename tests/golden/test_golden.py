"""Pixels of every method against those recorded, and the check itself on tampered records.

``make golden`` runs this file with ``--rewrite``, which records the build at hand and keeps others.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from sysnoise.transforms.codecs.probes import KINDS
from sysnoise.transforms.geometry import RULES
from tests.golden.cases import GEOMETRIES, Case, cases, jpeg_file
from tests.golden.records import (
    CPU_LEVELS,
    Drawn,
    Golden,
    load,
    problem,
    pruned,
    recorded,
    save,
)
from tests.installed import marks

FILE = Path(__file__).parent / "golden.json"
CASES = {case.method: case for case in cases()}
PARAMETERS = [
    pytest.param(case, id=case.method, marks=marks(case.library)) for case in CASES.values()
]
NOTHING: Golden = {"records": {}, "pixels": {}}


@pytest.mark.parametrize("case", PARAMETERS)
def test_pixels_are_those_recorded(case: Case, rewrite: bool) -> None:
    drawn = case.drawn()
    if rewrite:
        save(FILE, pruned(recorded(load(FILE), drawn), CASES))
    found = problem(load(FILE), drawn)
    if found:
        pytest.fail(found, pytrace=False)


def test_file_holds_every_method_and_no_other() -> None:
    records = [record for records in load(FILE)["records"].values() for record in records]
    assert {method for record in records for method in record["digests"]} == set(CASES)
    assert set(GEOMETRIES) == set(RULES)


def test_file_is_small_and_as_it_would_be_written(tmp_path: Path) -> None:
    save(tmp_path / "golden.json", pruned(load(FILE), CASES))
    assert (tmp_path / "golden.json").read_bytes() == FILE.read_bytes()
    files = [FILE, *map(jpeg_file, KINDS)]
    assert sum(file.stat().st_size for file in files) < 400 * 1024


def tampered(path: Path, method: str, levels: int, **facts: str) -> tuple[Golden, Drawn]:
    """Return records of another build, and the present pixels, which differ in one image.

    The first row of ``4:2:0`` or ``half`` differs by ``levels`` in each value.
    """
    drawn = CASES[method].drawn()
    name = "4:2:0" if "4:2:0" in drawn.images else "half"
    pixels = drawn.images[name].copy()
    pixels[0] = np.where(pixels[0] < 128, pixels[0] + levels, pixels[0] - levels)
    other = dataclasses.replace(
        drawn, build={**drawn.build, **facts}, images={**drawn.images, name: pixels}
    )
    save(path, recorded(NOTHING, other))
    return load(path), drawn


def test_upgrade_that_changes_pixels_is_told(tmp_path: Path) -> None:
    golden, drawn = tampered(
        tmp_path / "g.json", "decoder pillow", 40, version="0.9", libjpeg_turbo="1.2"
    )
    version, turbo = drawn.build["version"], drawn.build["libjpeg_turbo"]
    # One row of 20, each of its values 40 levels off.
    assert problem(golden, drawn) == (
        "decoder pillow: the pixels are not those recorded; "
        f"pillow 0.9 is recorded, {version} is present\n"
        f"  libjpeg_turbo: 1.2 -> {turbo}\n"
        "  4:2:0: 5.0% of the pixels changed, mean 2.0000, maximum 40\n"
        "  'make golden' records the present pixels, if they are what they should be"
    )


def test_upgrade_that_keeps_the_pixels_passes(tmp_path: Path) -> None:
    golden, drawn = tampered(tmp_path / "g.json", "decoder pillow", 0, version="0.9")
    assert problem(golden, drawn) is None


def test_change_without_an_upgrade_is_told(tmp_path: Path) -> None:
    golden, drawn = tampered(tmp_path / "g.json", "decoder pillow", 1)
    assert "so the change is in this project\n  4:2:0: 5.0% of" in str(problem(golden, drawn))


def test_record_of_the_present_build_outweighs_others(tmp_path: Path) -> None:
    golden, drawn = tampered(tmp_path / "g.json", "decoder pillow", 1)
    older = dataclasses.replace(drawn, build=drawn.build | {"version": "0.9"})
    assert problem(recorded(NOTHING, older), drawn) is None
    assert problem(recorded(golden, older), drawn) is not None


@pytest.mark.parametrize("method", ["resize opencv-cubic", "decoder ffmpeg"])
def test_another_cpu_may_round_differently(method: str, tmp_path: Path) -> None:
    cpu = {"cpu_features": "abacus"}
    golden, drawn = tampered(tmp_path / "g.json", method, CPU_LEVELS, **cpu)
    assert problem(golden, drawn) is None
    golden, drawn = tampered(tmp_path / "g.json", method, CPU_LEVELS + 1, **cpu)
    found = str(problem(golden, drawn))
    assert f"\n  cpu_features: abacus -> {drawn.build['cpu_features']}\n" in found
    assert f", maximum {CPU_LEVELS + 1}\n" in found
    golden, drawn = tampered(tmp_path / "g.json", method, 1, version="0.9", **cpu)
    assert ", maximum 1\n" in str(problem(golden, drawn))


def test_cpu_without_simd_stays_within_the_levels(tmp_path: Path) -> None:
    features = [name[1:] for name in cv2.getCPUFeaturesLine().split() if name.startswith("*")]
    script = (
        "import sys, pathlib\n"
        "from tests.golden import cases, records\n"
        "golden = {'records': {}, 'pixels': {}}\n"
        "for case in cases.cases():\n"
        "    if case.library == 'opencv':\n"
        "        golden = records.recorded(golden, case.drawn())\n"
        "records.save(pathlib.Path(sys.argv[1]), golden)\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "g.json")],
        env=os.environ | {"OPENCV_IPP": "disabled", "OPENCV_CPU_DISABLE": ",".join(features)},
        check=True,
    )
    golden = load(tmp_path / "g.json")
    for case in CASES.values():
        if case.library == "opencv":
            drawn = case.drawn()
            assert golden["records"]["opencv"][0]["build"] != drawn.build
            assert problem(golden, drawn) is None


def test_method_or_image_that_is_not_recorded(tmp_path: Path) -> None:
    golden, drawn = tampered(tmp_path / "g.json", "decoder pillow", 0)
    assert problem(golden, dataclasses.replace(drawn, method="decoder new")) == (
        "decoder new: not recorded; 'make golden' records it"
    )
    more = dataclasses.replace(drawn, images={**drawn.images, "new": drawn.images["4:4:4"]})
    assert "  new: an image of another size, or on one side only\n" in str(problem(golden, more))
    cut = dataclasses.replace(drawn, images={**drawn.images, "4:4:4": drawn.images["cmyk"][1:]})
    assert "  4:4:4: an image of another size, or" in str(problem(golden, cut))


def test_recording_keeps_other_builds_and_drops_what_is_gone(tmp_path: Path) -> None:
    older, drawn = tampered(tmp_path / "g.json", "decoder pillow", 5, version="0.9")
    both = recorded(older, drawn)
    builds = [record["build"]["version"] for record in both["records"]["pillow"]]
    assert builds == ["0.9", drawn.build["version"]]
    assert problem(both, drawn) is None
    assert recorded(both, drawn) == both
    assert len(both["pixels"]) == len(set(drawn.digests.values())) + 1
    assert pruned(both, ["decoder pillow"]) == both
    assert pruned(both, []) == NOTHING
