"""Recorded pixels of every method, by the library build that gave them, and the check against them.

The file is JSON::

    {"records": {library: [{"build": facts, "digests": {method: {image: digest}}}]},
     "pixels": {digest: {"height": H, "width": W, "zlib": base64 of the deflated RGB bytes}}}

Digests are those of ``sysnoise.pixel_digest``, in hexadecimal. Builds that agree share them.
"""

from __future__ import annotations

import base64
import copy
import json
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from sysnoise.transforms.difference import Difference
from sysnoise.transforms.digests import pixel_digest
from sysnoise.transforms.libraries import Build
from sysnoise.transforms.pixel_difference import difference
from sysnoise.transforms.pixels import Pixels

CPU_FACTS = frozenset({"cpu_features", "ipp"})
"""Facts of a build that come from the machine rather than from the library."""

CPU_LEVELS = 2
"""Largest difference, of 255 levels, that another CPU may make with the same library.

SIMD paths round differently, and a stranger's CPU is no library upgrade. Measured with features
switched off: 1 level in OpenCV's INTER_CUBIC (IPP), 2 in libswscale's conversion of 4:2:0 to RGB.
"""


class Record(TypedDict):
    """One build of a library: its facts, and the digest of each image of each method."""

    build: Build
    digests: dict[str, dict[str, str]]


class StoredPixels(TypedDict):
    """One image: its sides in pixels, and its RGB bytes, deflated, in base64."""

    height: int
    width: int
    zlib: str


class Golden(TypedDict):
    """The content of the file."""

    records: dict[str, list[Record]]
    pixels: dict[str, StoredPixels]


@dataclass(frozen=True)
class Drawn:
    """The images of one method as the build at hand gives them.

    Attributes:
        method: axis and name: ``decoder ffmpeg``.
        library: whose build decides the pixels.
        build: its facts.
        images: uint8, shape (H, W, 3), by name.
    """

    method: str
    library: str
    build: Build
    images: Mapping[str, Pixels]

    @property
    def digests(self) -> dict[str, str]:
        """Pixel digest by name of the image, in hexadecimal."""
        return {name: pixel_digest(pixels).hex() for name, pixels in self.images.items()}


def load(path: Path) -> Golden:
    """Read the file; one that does not exist holds nothing."""
    if not path.exists():
        return {"records": {}, "pixels": {}}
    golden: Golden = json.loads(path.read_text("utf-8"))
    return golden


def save(path: Path, golden: Golden) -> None:
    """Write the file; the same content gives the same bytes."""
    path.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n", "utf-8")


def problem(golden: Golden, drawn: Drawn) -> str | None:
    """Return what is wrong with the present pixels, or None.

    They must be those recorded for this very build. Where it is not recorded, those of any other
    recorded build will do; where one differs in the CPU alone, so will pixels within
    :data:`CPU_LEVELS` of its own.
    """
    records = [
        record
        for record in golden["records"].get(drawn.library, [])
        if drawn.method in record["digests"]
    ]
    if not records:
        return f"{drawn.method}: not recorded; 'make golden' records it"
    same = [record for record in records if record["build"] == drawn.build]
    for record in same or records:
        if record["digests"][drawn.method] == drawn.digests:
            return None
        if not same and _only_rounded(golden, record, drawn):
            return None
    return _report(golden, (same or records)[-1], drawn)


def _only_rounded(golden: Golden, record: Record, drawn: Drawn) -> bool:
    if _software(record["build"]) != _software(drawn.build):
        return False
    found = changes(golden, record, drawn).values()
    return all(change is not None and change.maximum <= CPU_LEVELS for change in found)


def _software(build: Build) -> Build:
    return {fact: value for fact, value in build.items() if fact not in CPU_FACTS}


def changes(golden: Golden, record: Record, drawn: Drawn) -> dict[str, Difference | None]:
    """Compare the present images with recorded ones.

    Returns:
        Image name to difference; None where only one of the two exists, or sizes differ.
    """
    digests = record["digests"][drawn.method]
    found: dict[str, Difference | None] = dict.fromkeys([*digests, *drawn.images])
    for name in digests.keys() & drawn.images.keys():
        pixels = _unpacked(golden["pixels"][digests[name]])
        if pixels.shape == drawn.images[name].shape:
            found[name] = difference(drawn.images[name], pixels)
    return found


def _report(golden: Golden, record: Record, drawn: Drawn) -> str:
    before, after = record["build"], drawn.build
    lines = [
        f"{drawn.method}: the pixels are not those recorded; "
        f"{drawn.library} {before['version']} is recorded, {after['version']} is present"
    ]
    if before == after:
        lines.append("  the library's build is the recorded one, so the change is in this project")
    lines += [
        f"  {fact}: {before.get(fact)} -> {after.get(fact)}"
        for fact in sorted((before.keys() | after.keys()) - {"version"})
        if before.get(fact) != after.get(fact)
    ]
    lines += [
        f"  {name}: {_size_of_change(change)}"
        for name, change in changes(golden, record, drawn).items()
        if change is None or change.absolute_sum
    ]
    lines.append("  'make golden' records the present pixels, if they are what they should be")
    return "\n".join(lines)


def _size_of_change(change: Difference | None) -> str:
    if change is None:
        return "an image of another size, or on one side only"
    return (
        f"{change.changed_share:.1%} of the pixels changed, "
        f"mean {change.mean:.4f}, maximum {change.maximum}"
    )


def recorded(golden: Golden, drawn: Drawn) -> Golden:
    """Return the content with the present pixels recorded, and all other builds kept."""
    golden = copy.deepcopy(golden)
    records = golden["records"].setdefault(drawn.library, [])
    same = [record for record in records if record["build"] == drawn.build]
    if not same:
        same = [{"build": drawn.build, "digests": {}}]
        records += same
    same[0]["digests"][drawn.method] = drawn.digests
    for pixels in drawn.images.values():
        golden["pixels"][pixel_digest(pixels).hex()] = _packed(pixels)
    return golden


def pruned(golden: Golden, methods: Collection[str]) -> Golden:
    """Return the content without methods that no longer exist and without unused pixels."""
    kept: Golden = {"records": {}, "pixels": {}}
    for library, records in golden["records"].items():
        for record in records:
            digests = {name: of for name, of in record["digests"].items() if name in methods}
            if digests:
                found: Record = {"build": record["build"], "digests": digests}
                kept["records"].setdefault(library, []).append(found)
            for digest in (digest for of in digests.values() for digest in of.values()):
                kept["pixels"][digest] = golden["pixels"][digest]
    return kept


def _packed(pixels: Pixels) -> StoredPixels:
    height, width = pixels.shape[:2]
    deflated = zlib.compress(np.ascontiguousarray(pixels).tobytes(), 9)
    return {"height": height, "width": width, "zlib": base64.b64encode(deflated).decode("ascii")}


def _unpacked(stored: StoredPixels) -> Pixels:
    values = np.frombuffer(zlib.decompress(base64.b64decode(stored["zlib"])), np.uint8)
    return values.reshape(stored["height"], stored["width"], 3)
