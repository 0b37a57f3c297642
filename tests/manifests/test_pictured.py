"""Which variants the picture of the noise shows."""

from __future__ import annotations

from typing import Any

import pytest

from sysnoise.manifests.pictured import pictured_variants

BASELINE = "pillow/bilinear/rgb"


@pytest.mark.parametrize(
    ("means", "others"),
    [
        ({}, []),
        ({"ffmpeg/bilinear/rgb": 0.0, "stb/bilinear/rgb": None}, []),
        (
            {
                "pillow/bilinear/nv12": 0.5,
                "ffmpeg/bilinear/rgb": 0.1,
                "stb/bilinear/rgb": 0.2,
                "pillow/nearest/rgb": 7.0,
                "stb/nearest/nv12": 9.0,
            },
            ["stb/bilinear/rgb", "pillow/nearest/rgb", "pillow/bilinear/nv12"],
        ),
        (
            {"stb/nearest/rgb": 2.0, "stb/area/nv12": 3.0, "ffmpeg/area/nv12": 1.0},
            ["stb/area/nv12", "stb/nearest/rgb", "ffmpeg/area/nv12"],
        ),
        ({"pillow/bilinear/rgb--at-wide": 9.0}, []),
    ],
    ids=["alone", "no noise", "axes", "stacks", "geometry"],
)
def test_the_noisiest_of_each_axis_is_shown(
    means: dict[str, float | None], others: list[str]
) -> None:
    variants = [
        {"id": each, "difference": {"mean": mean}}
        for each, mean in {BASELINE: 0.0, **means}.items()
    ]
    manifest: Any = {"grid": {"baseline": BASELINE}, "variants": variants}
    assert pictured_variants(manifest) == [BASELINE, *others]
