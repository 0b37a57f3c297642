"""What a variant's file of a shard must hold, and how names and images are compared with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

import pyarrow as pa

from sysnoise.manifests.stored import decode_stored
from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.verification.checked_file import described
from sysnoise.transforms.digests import pixel_digest


@dataclass(frozen=True)
class Expected:
    """What a variant's file of a shard must hold.

    Attributes:
        table: path of the table of samples.
        keys: keys of the samples, in order.
        members: content of each member of a tar file by name, in order; None where it is an image,
            or where the sources that it is made from cannot be used.
        headers: header of each member of a tar file by name, with a size of 0.
        columns: columns of a Parquet file besides the images; None where the sources that they
            are made from cannot be used.
        schemas: schemas of a Parquet file, of which it has one: sets that were made before labels
            had names have the other.
        row_group_rows: number of rows per row group of a Parquet file.
        image_format: format of the images.
        digests: pixel digest by key; None where images are not decoded.
    """

    table: str
    keys: Sequence[str]
    members: Mapping[str, bytes | None]
    headers: Mapping[str, bytes]
    columns: pa.Table | None
    schemas: Sequence[pa.Schema]
    row_group_rows: int
    image_format: str
    digests: Mapping[str, bytes] | None = None


@dataclass
class Images:
    """The images of a file that were decoded.

    Attributes:
        expected: what the file must hold.
        changed: keys of the images that have other pixels.
        broken: messages on images that cannot be decoded.
    """

    expected: Expected
    changed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def compare_pixels(self, key: str, data: bytes) -> None:
        """Compare the pixels of one image with the digest of its sample."""
        digests = self.expected.digests or {}
        try:
            digest = pixel_digest(decode_stored(data, self.expected.image_format))
        except Exception as error:  # noqa: BLE001 - codecs raise whatever they like on damaged data.
            self.broken.append(f"the image of {key!r} cannot be decoded: {described(error)}")
            return
        if digest != digests.get(key, digest):  # Other keys are reported elsewhere.
            self.changed.append(key)

    def messages(self) -> list[str]:
        """Return what is wrong with the images."""
        if not self.changed:
            return self.broken
        what = f"{len(self.changed)} image(s) have other pixels than {self.expected.table} says"
        return [*self.broken, f"{what}: {quoted(self.changed)}"]


def name_messages(expected: Collection[str], found: Sequence[str], table: str) -> list[str]:
    """Compare the names of a file's members, or its keys, with those that it must hold."""
    if [*expected] == [*found]:
        return []
    known, held = (dict.fromkeys(map(_key, names)) for names in (expected, found))
    absent = [key for key in known if key not in held]
    foreign = [key for key in held if key not in known]
    missing = _without(expected, {*found}, held)
    surplus = _without(found, {*expected}, known)
    messages = [
        f"{text}: {quoted(names)}"
        for text, names in (
            (f"lacks {len(absent)} of {len(known)} samples", absent),
            (f"holds {len(foreign)} sample(s) that {table} does not accept", foreign),
            ("lacks members", missing),
            ("holds members that do not belong there", surplus),
        )
        if names
    ]
    return messages or [_order_message(expected, found)]


def _key(name: str) -> str:
    return name.partition(".")[0]


def _without(names: Collection[str], others: set[str], keys: Mapping[str, None]) -> list[str]:
    """Return the names that the others lack, of samples that both have."""
    return [name for name in names if name not in others and _key(name) in keys]


def _order_message(expected: Collection[str], found: Sequence[str]) -> str:
    pairs = enumerate(zip_longest(expected, found))
    place, (wanted, there) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
    return f"its entry {place} is {there!r}, expected {wanted!r}"
