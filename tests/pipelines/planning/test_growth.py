"""Growing makes only what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sysnoise.pipelines.cli.main import main
from sysnoise.pipelines.shards import sample
from sysnoise.transforms import fanout
from sysnoise.transforms.codecs.encoders import encode
from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resize.task import Box
from sysnoise.transforms.resizers import resize_each

GRID = """
decoders: {decoders}
resizes: [pillow-bilinear, opencv-linear]
colors: [rgb]
geometry: shorter256-crop224
"""


def test_only_what_is_missing_is_resized_and_encoded(
    imagenet_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An output in memory is made in this process, where the calls can be counted."""
    resized: list[str] = []
    encoded: list[str] = []

    def count_resizes(
        names: Sequence[str], pixels: Pixels, size: tuple[int, int], box: Box
    ) -> Iterator[Pixels]:
        resized.extend(names)
        return resize_each(names, pixels, size, box)

    def count_encodes(image_format: str, pixels: Pixels) -> bytes:
        encoded.append(image_format)
        return encode(image_format, pixels)

    monkeypatch.setattr(fanout, "resize_each", count_resizes)
    monkeypatch.setattr(sample, "encode", count_encodes)
    for decoders in ("[pillow]", "[pillow, simplejpeg-fastdct]"):
        resized.clear()
        encoded.clear()
        (tmp_path / "grid.yaml").write_text(GRID.format(decoders=decoders), "utf-8")
        code = main(
            [
                *("generate", "imagenet", "--add-variants", "--limit=1", "--workers=1"),
                f"--images={imagenet_source / 'images'}",
                f"--label-file={imagenet_source / 'val.txt'}",
                f"--grid={tmp_path / 'grid.yaml'}",
                f"--output=memory://{tmp_path.name}",
            ]
        )
        assert code == 0
        assert len(encoded) == 2
    # The baseline once more, for the difference, and both resizes of the new decoder.
    assert resized == ["pillow-bilinear", "pillow-bilinear", "opencv-linear"]
