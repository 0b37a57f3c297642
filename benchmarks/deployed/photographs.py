"""The photographs that everything is measured on."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sysnoise.transforms.codecs.encoded import EncodedImage
from sysnoise.transforms.codecs.sniff import Container

SUBSAMPLING_NAMES = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0"}
"""Subsamplings by the sampling factors of luma, where those of chroma are 1; others are rare."""


@dataclass(frozen=True)
class Photograph:
    """One JPEG file.

    Attributes:
        path: the file.
        data: its bytes.
        subsampling: the name of its chroma subsampling.
    """

    path: Path
    data: bytes
    subsampling: str


def read_photographs(folder: Path, count: int) -> list[Photograph]:
    """Return photographs below a folder, evenly spaced in the order of their paths.

    JPEGs of three components of 8 bits are taken that have neither a rotation by EXIF nor a color
    profile, because programs follow different rules for the others (``docs/odd-files.md``).

    Raises:
        SystemExit: the folder has fewer of them.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg"):
            data = path.read_bytes()
            if name := _subsampling(data):
                found.append(Photograph(path, data, name))
    if len(found) < count:
        raise SystemExit(f"{folder}: expected {count} color JPEGs, found {len(found)}")
    return [found[index * len(found) // count] for index in range(count)]


def _subsampling(data: bytes) -> str | None:
    image = EncodedImage(data)
    frame = image.kind.frame
    if image.kind.container is not Container.JPEG or frame is None or len(frame.sampling) != 3:
        return None
    if frame.precision != 8 or image.header.orientation != 1:
        return None
    if Image.open(io.BytesIO(data)).info.get("icc_profile"):
        return None
    luma, *chroma = frame.sampling
    return SUBSAMPLING_NAMES.get(luma) if set(chroma) == {(1, 1)} else None


def describe_photographs(photographs: list[Photograph]) -> str:
    """Return how many photographs have which chroma subsampling, as text."""
    counts = Counter(each.subsampling for each in photographs)
    return ", ".join(f"{count} of {name}" for name, count in counts.most_common())
