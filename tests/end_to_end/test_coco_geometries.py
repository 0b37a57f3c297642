"""Geometries of detectors that are not of the paper, through the command: boxes follow pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sysnoise.manifests.reading import open_set
from tests.end_to_end.commands import generate
from tests.transforms import plain

BASELINE = "pillow/pillow-bilinear/rgb"
GRID = """
decoders: [pillow]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: {geometry}
"""


def made(tmp_path: Path, coco_source: Path, grid: str, *others: str) -> str:
    """Run ``generate``, and return what it printed."""
    done = generate(
        "coco",
        {
            "images": coco_source / "images",
            "annotations": coco_source / "instances_demo.json",
            "grid": grid,
            "output": tmp_path / "set",
        },
        "--limit=4",
        "--workers=1",
        *others,
    )
    assert done.code == 0, done.error
    return done.out


@pytest.mark.parametrize("geometry", ["squash300", "{rule: squash, size: 96, crop: 96}"])
def test_squashed_boxes_follow_each_axis(geometry: str, tmp_path: Path, coco_source: Path) -> None:
    (tmp_path / "grid.yaml").write_text(GRID.format(geometry=geometry), "utf-8")
    made(tmp_path, coco_source, str(tmp_path / "grid.yaml"))
    opened = open_set(str(tmp_path / "set"))
    side = 300 if geometry == "squash300" else 96
    original = json.loads((coco_source / "instances_demo.json").read_text("utf-8"))
    names = {each["id"]: each["file_name"] for each in original["images"]}
    boxes = {each["id"]: each["bbox"] for each in original["annotations"]}
    (path,) = (tmp_path / "set" / "annotations").glob("*.rescaled.json")
    rescaled = json.loads(path.read_text("utf-8"))["annotations"]
    compared = 0
    for sample in opened.paired([BASELINE]):
        assert sample.image_id is not None
        data = (coco_source / "images" / names[sample.image_id]).read_bytes()
        decoded = plain.DECODERS["pillow"](data)
        height, width = decoded.shape[:2]
        expected = plain.RESIZES["pillow-bilinear"](decoded, (side, side))
        np.testing.assert_array_equal(sample.images[BASELINE], expected)
        for each in rescaled:
            if each["image_id"] == sample.image_id:
                scale = np.array([side / width, side / height] * 2)
                assert each["bbox"] == pytest.approx(np.array(boxes[each["id"]]) * scale)
                compared += 1
    assert compared > 0


def test_a_dry_run_counts_distinct_variants(tmp_path: Path, coco_source: Path) -> None:
    """Two decoders that are the same code, times two resizes."""
    text = GRID.format(geometry="letterbox416").replace("[pillow]", "[pillow, opencv]")
    text = text.replace("[pillow-bilinear]", "[pillow-bilinear, pillow-nearest]")
    (tmp_path / "grid.yaml").write_text(text, "utf-8")
    shown = made(tmp_path, coco_source, str(tmp_path / "grid.yaml"), "--dry-run")
    assert "variants   4 of grid; on 4 samples, 2 have distinct pixels\n" in shown
    equal = [
        f"pillow/{resize}/rgb = opencv/{resize}/rgb"
        for resize in ("pillow-bilinear", "pillow-nearest")
    ]
    assert f"equal      {equal[0]}\n           {equal[1]}\n" in shown
