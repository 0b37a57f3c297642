"""The picture of README and of the documentation's first page.

``python -m benchmarks.noise_picture`` (``make picture``) writes ``docs/pictures/noise.png`` from a
photograph that scikit-image ships: ``astronaut`` by NASA, in the public domain.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from sysnoise import apply, load_grid
from sysnoise.pipelines.cli.photographs import jpeg_bytes, photographs
from sysnoise.transforms.noise_picture import noise_picture
from sysnoise.transforms.pixels import Pixels

PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "noise.png"
GRID = "imagenet-one-factor"
VARIANTS = (
    "ffmpeg/pillow-bilinear/rgb",
    "pillow/opencv-linear/rgb",
    "pillow/pillow-bilinear/nv12-bt601",
)
AMPLIFIED = 8


def picture() -> Pixels:
    """Return the baseline and its variants, and the differences below: uint8, (H, W, 3), RGB."""
    grid, data = load_grid(GRID), jpeg_bytes(photographs()["astronaut"], "420")
    baseline, *others = (apply(grid, name, data) for name in (grid.baseline.id, *VARIANTS))
    return noise_picture(baseline, others, AMPLIFIED)


if __name__ == "__main__":
    Image.fromarray(picture()).save(PICTURE, optimize=True)
