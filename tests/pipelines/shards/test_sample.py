"""One source image to a sample or a reject, where the images are extreme."""

from __future__ import annotations

import numpy as np
import pytest

from sysnoise.manifests.grids.grid_file import parse_grid
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.tables import DatasetKind, RejectReason
from sysnoise.pipelines.cli.photographs import jpeg_bytes
from sysnoise.pipelines.planning.plan import PlanOptions, make_plan
from sysnoise.pipelines.readers.sources import Source, SourceSet, source_table
from sysnoise.pipelines.shards.sample import MadeSample, Reject, make_sample

SOURCES = source_table(["a.jpg"], label=[1])


def plan_of(grid: str, settings: PlanOptions) -> Plan:
    source = SourceSet(DatasetKind.IMAGENET, "val", "", SOURCES)
    return make_plan(source, parse_grid(grid, "test.yaml", "test"), settings)


def made_of(plan: Plan, data: bytes) -> MadeSample | Reject:
    return make_sample(plan, Source(**SOURCES.to_pylist()[0]), data)


NATIVE = """
decoders: [pillow]
resizes: [none]
colors: [rgb]
baseline: pillow/none/rgb
geometry: native
"""
SWSCALE = """
decoders: [pillow]
resizes: [pillow-bilinear, ffmpeg-bicubic]
colors: [rgb]
geometry: squash256-crop224
"""


@pytest.mark.parametrize(
    ("grid", "image_format", "shape", "message"),
    [
        (NATIVE, "webp", (50, 20000, 3), "encoding 20000 x 50 pixels as webp: WebP holds at most"),
        (SWSCALE, "png", (2, 40000, 3), "ffmpeg-bicubic: 40000 x 2 to 256 x 256: "),
    ],
)
def test_what_a_library_cannot_render_is_rejected(
    grid: str, image_format: str, shape: tuple[int, int, int], message: str
) -> None:
    data = jpeg_bytes(np.zeros(shape, np.uint8), "444")
    made = made_of(plan_of(grid, PlanOptions(image_format=image_format)), data)
    assert isinstance(made, Reject)
    assert made.reason is RejectReason.NOT_RENDERED
    assert made.message.startswith(message)
    assert [status.value for status in made.decoders.values()] == ["ok"]


def test_the_same_image_is_made_where_the_format_holds_it() -> None:
    data = jpeg_bytes(np.zeros((50, 20000, 3), np.uint8), "444")
    assert isinstance(made_of(plan_of(NATIVE, PlanOptions()), data), MadeSample)


def test_without_files_nothing_is_encoded() -> None:
    """WebP cannot hold the image, and is not asked to."""
    data = jpeg_bytes(np.zeros((50, 20000, 3), np.uint8), "444")
    made = made_of(plan_of(NATIVE, PlanOptions(formats=(), image_format="webp")), data)
    assert isinstance(made, MadeSample)
    assert [each.image for each in made.variants] == [b""]
