"""Flipping bits of finished sets: ``sysnoise verify`` names the file, and nothing is lost."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sysnoise.pipelines.cli.photographs import write_coco, write_imagenet
from sysnoise.pipelines.planning.ranges import Range
from sysnoise.pipelines.verification.request import VerificationRequest
from sysnoise.pipelines.verification.verify import verify
from tests.end_to_end.commands import command
from tests.end_to_end.damage import flip_bit, truncate
from tests.shared import SharedFolders

GRID = """
decoders: [pillow, ffmpeg]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: {rule: keep-ratio, shorter: 16, longer: 24}
"""
COPY = "ffmpeg/pillow-bilinear/rgb"
"""The variant of the copy that lacks the images of the other."""

SETS = ("imagenet", "coco", "copy")

DAMAGED = "rejects.parquet"
"""The file that is damaged all the time, which must always be named too."""


def build_sets(folder: Path) -> None:
    """Make small sets of both datasets, as tar and Parquet, and a copy of a part of one."""
    (folder / "grid.yaml").write_text(GRID, "utf-8")
    write_imagenet(folder / "photographs", crops=5, seed=3)
    images = sorted((folder / "photographs" / "images").iterdir())
    truncate(images[1])
    with Image.open(images[2]) as image:
        image.save(images[2], "PNG")
    write_coco(folder / "objects")
    truncate(folder / "objects" / "images" / "000000000002.jpg")
    common = ("--format=both", "--samples-per-shard=3", "--workers=1", "--limit=5")
    grid = f"--grid={folder / 'grid.yaml'}"
    for dataset, source, labels in (
        ("imagenet", folder / "photographs", "--label-file={}/val.txt"),
        ("coco", folder / "objects", "--annotations={}/instances_demo.json"),
    ):
        done = command(
            *("generate", dataset, f"--images={source / 'images'}", labels.format(source)),
            *(grid, f"--output={folder / dataset}", *common),
        )
        assert done.code == 0, done.error
    whole, copy = folder / "imagenet", folder / "copy"
    done = command("fetch", str(whole), str(copy), f"--variant={COPY}")
    assert done.code == 0, done.error


def shared_sets(shared: SharedFolders) -> Path:
    """Return the folder of the sets, by their names in :data:`SETS`."""
    return shared("flipped", build_sets)


@dataclass(frozen=True)
class Flip:
    """A bit that is flipped.

    Attributes:
        path: path of the file.
        byte: number of the byte in it.
        bit: number of the bit in that, from the lowest on.
    """

    path: str
    byte: int
    bit: int


def chosen_flips(folder: Path, count: int, seed: int) -> Iterator[Flip]:
    """Choose bits of a set, about as many of each file; half of them lie near one of its ends."""
    draw = random.Random(seed)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for number in range(count):
        file = files[number % len(files)]
        size = file.stat().st_size
        place = draw.choice((draw.randrange(size), draw.randrange(min(size, 600))))
        byte = draw.choice((place, size - 1 - place))
        yield Flip(file.relative_to(folder).as_posix(), byte, draw.randrange(8))


def unnamed_flips(source: Path, folder: Path, flips: Iterator[Flip]) -> list[str]:
    """Flip bits of a set, one at a time, and return what ``verify`` said other than it must.

    Args:
        source: the set.
        folder: where it is copied to.
        flips: the bits.
    """
    shutil.copytree(source, folder)
    whole = (folder / DAMAGED).read_bytes()
    flip_bit(folder / DAMAGED)
    wrong = []
    for flip in flips:
        path = folder / flip.path
        before = whole if flip.path == DAMAGED else path.read_bytes()
        after = bytearray(before)
        after[flip.byte] ^= 1 << flip.bit
        stored = path.read_bytes()
        path.write_bytes(after)
        try:
            named = {problem.path for problem in verify(str(folder), request_of(flip)).problems}
        except Exception as error:  # noqa: BLE001 - it must not raise anything.
            named = {repr(error)}
        if named != {flip.path, DAMAGED}:
            wrong.append(f"{flip}: {sorted(named)}")
        path.write_bytes(stored)
    return wrong


def request_of(flip: Flip) -> VerificationRequest:
    """Return what checks the file of a flip: the shard alone for a shard's file, else all."""
    name = Path(flip.path).name
    if not flip.path.startswith("variants/"):
        return VerificationRequest()
    shard = int(name.split("-of-")[0].rsplit("-", 1)[1])
    variant = "/".join(flip.path.split("/")[1:4])
    return VerificationRequest(variants=(variant,), shards=Range(shard, shard + 1))
