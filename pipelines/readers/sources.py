"""The table of sources: which images a run reads, in which order, and where their bytes are.

Locations are relative to the root that the user names, so that the table is the same wherever the
images lie.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import posixpath
import re
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, cast

import pyarrow as pa
import pyarrow.compute as pc

from sysnoise.manifests.json_documents import JsonObject
from sysnoise.manifests.layout import IMAGE_COLUMN
from sysnoise.manifests.plan import ClassInfo
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import InputError, lines_of
from sysnoise.pipelines.readers.text_column import TextColumn

SOURCES_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("name", pa.string()),
        ("file", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("row", pa.int64()),
        ("label", pa.int64()),
        ("wnid", pa.string()),
        ("image", pa.string()),
        ("annotations", pa.string()),
    ]
)
"""One row per source image, in key order; the columns are the attributes of :class:`Source`."""

FINGERPRINTED = ("key", "name", "label", "image", "annotations")
"""The columns that :func:`source_fingerprint` hashes; the others say where images are."""

BATCH_ROWS = 1024
"""Number of rows that are Python objects at a time, where a whole column would be too large."""

LONGEST_KEY = 90
"""Length of the longest key in bytes; with its extension it must fit a USTAR name of 100."""


@dataclass(frozen=True)
class Source:
    """A source image: a row of the table of sources.

    Attributes:
        key: the sample's key.
        name: what the source calls the image.
        file: the file that holds the image's bytes, relative to the root that the user names.
        offset: where the bytes begin in a tar file; None elsewhere.
        size: number of bytes in a tar file; None elsewhere.
        row: row of a Parquet file; None elsewhere.
        label: ImageNet's label, 0-based in wnid order; None for COCO.
        wnid: WordNet id of the label, as far as the source knows it.
        image: JSON text of COCO's image; None for ImageNet.
        annotations: JSON text of the list of COCO's annotations of the image; None for ImageNet.
    """

    key: str
    name: str
    file: str
    offset: int | None = None
    size: int | None = None
    row: int | None = None
    label: int | None = None
    wnid: str | None = None
    image: str | None = None
    annotations: str | None = None

    @functools.cached_property
    def coco_image(self) -> CocoImage | None:
        """COCO's image; None for ImageNet."""
        return None if self.image is None else cast("CocoImage", json.loads(self.image))


class CocoImage(TypedDict):
    """An entry of the list of images of a COCO file, as far as it is used."""

    id: int
    file_name: str
    width: int
    height: int


@dataclass(frozen=True)
class SourceSet:
    """A dataset as it was found.

    Attributes:
        kind: ImageNet or COCO.
        split: name of the split, for file names.
        root: folder or archive that locations are relative to; known only to the running command.
        table: the table of sources, sorted by key: the columns of :data:`SOURCES_SCHEMA` that are
            not in ``texts``.
        classes: ImageNet's classes, by label; empty where the source does not know them.
        coco: ``info``, ``licenses`` and ``categories`` of the COCO file.
        warnings: what the user should know about the source.
        image_column: the column of images in Parquet files.
        texts: the columns that are too long to hold.
    """

    kind: DatasetKind
    split: str
    root: str
    table: pa.Table
    classes: tuple[ClassInfo, ...] = ()
    coco: JsonObject = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    image_column: str = IMAGE_COLUMN
    texts: Mapping[str, TextColumn] = field(default_factory=dict)

    def limited(self, samples: int | None) -> SourceSet:
        """Return the set with only its first samples, in key order."""
        return self if samples is None else dataclasses.replace(self, table=self.table[:samples])

    def rows(self, start: int = 0, stop: int | None = None) -> pa.Table:
        """Return some rows of the table of sources, or all, with :data:`SOURCES_SCHEMA`."""
        found = self.table.slice(start, None if stop is None else stop - start)
        stop = start + found.num_rows
        columns = [
            self.texts[name].read(start, stop) if name in self.texts else found[name]
            for name in SOURCES_SCHEMA.names
        ]
        return pa.table(columns, schema=SOURCES_SCHEMA)

    def batches(self, rows: int) -> Iterator[pa.Table]:
        """Yield all rows of the table of sources, so many at a time."""
        for start in range(0, self.table.num_rows, rows):
            yield self.rows(start, start + rows)

    def labels(self) -> set[int]:
        """Return the labels that occur, or the ids of all of COCO's categories."""
        if self.kind is DatasetKind.COCO:
            return {category["id"] for category in self.coco["categories"]}
        return set(self.table["label"].unique().to_pylist())


_PLAIN_NAME = re.compile(r"(?:[^\0]*/)?([A-Za-z0-9_-]+)(?:\.[^./]*)?")
"""A name whose stem is its key: one match takes a fourth of the time of the general way."""


def sample_key(name: str) -> str:
    """Return the key of a source name: its stem, each byte outside ``[A-Za-z0-9_-]`` as ``_XX``."""
    plain = _PLAIN_NAME.fullmatch(name)
    if plain and len(plain[1]) <= LONGEST_KEY:
        return plain[1]
    stem, _ = posixpath.splitext(posixpath.basename(name))
    return _escaped(stem)


def _escaped(text: str) -> str:
    """Return a text that is a key: each byte outside ``[A-Za-z0-9_-]`` as ``_XX``, not too long."""
    data = text.encode("utf-8")
    key = re.sub(rb"[^A-Za-z0-9_-]", lambda match: b"_%02X" % match[0][0], data).decode("ascii")
    return key if len(key) <= LONGEST_KEY else f"{key[: LONGEST_KEY - 17]}-{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def _key_with_folder(name: str, _: str) -> str:
    """Return the key of the last folder and the stem, which does not depend on the root."""
    return _escaped("/".join(posixpath.splitext(name)[0].split("/")[-2:]))


def _place_in(name: str, file: str) -> str:
    return name if file in ("", name) else f"{file}/{name}"


def _key_of_place(name: str, file: str) -> str:
    return _escaped(_place_in(name, file))


def _key_with_digest(name: str, file: str) -> str:
    return f"{sample_key(name)[: LONGEST_KEY - 17]}-{_digest(_place_in(name, file))}"


_LONGER_KEYS = (_key_with_folder, _key_of_place, _key_with_digest)
"""Keys that tell images apart whose shorter keys are the same, in the order in which they serve."""


def source_keys(names: Sequence[str], files: Sequence[str]) -> list[str]:
    """Return the key of each image: that of its name or, where names clash, a longer one.

    Names that clash get their folder in front, then their whole path below the root, then a digest
    of it; the others keep theirs.

    Args:
        names: what the source calls each image.
        files: the file that holds each image, below the root.
    """
    keys = [sample_key(name) for name in names]
    for longer in _LONGER_KEYS:
        if len(set(keys)) == len(keys):
            break
        counts = Counter(keys)
        keys = [
            longer(name, file) if counts[key] > 1 else key
            for key, name, file in zip(keys, names, files, strict=True)
        ]
    return keys


def is_key_of(key: str, name: str, file: str) -> bool:
    """Whether a key is one that :func:`source_keys` may give an image."""
    return key == sample_key(name) or any(key == longer(name, file) for longer in _LONGER_KEYS)


def source_table(names: Sequence[str], **columns: Sequence[Any]) -> pa.Table:
    """Make the table of sources, sorted by key.

    Args:
        names: what the source calls each image.
        columns: other columns of :data:`SOURCES_SCHEMA`; ``file`` is the name where it is not
            given, the others are null.

    Raises:
        InputError: a name is not UTF-8, an archive has a name twice, or a name is empty.
    """
    undecodable = [ascii(name) for name in names if not _is_utf8(name)]
    if undecodable:
        raise InputError(
            f"{len(undecodable)} file name(s) are not UTF-8; rename them:\n{lines_of(undecodable)}"
        )
    arrays = {"name": names, "file": names, **columns}
    arrays["key"] = source_keys(names, arrays["file"])
    table = pa.table(
        [
            pa.array(arrays[column.name], column.type)
            if column.name in arrays
            else pa.nulls(len(names), column.type)
            for column in SOURCES_SCHEMA
        ],
        schema=SOURCES_SCHEMA,
    )
    table = table.take(pc.sort_indices(table, [("key", "ascending"), ("name", "ascending")]))
    _refuse_bad_keys(table)
    return table


def _is_utf8(name: str) -> bool:
    """Whether a name has no lone surrogates, as Python shows undecodable bytes of file names."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_bad_keys(table: pa.Table) -> None:
    keys = table["key"].combine_chunks()
    same = pc.indices_nonzero(pc.equal(keys[1:], keys[:-1])).to_pylist()
    if same:
        pairs = [f"{keys[i]}: {_place(table, i)} and {_place(table, i + 1)}" for i in same]
        raise InputError(
            f"{len(pairs)} name(s) belong to more than one image of an archive; write it again "
            f"with each image once:\n{lines_of(pairs)}"
        )
    empty = pc.indices_nonzero(pc.equal(keys, "")).to_pylist()
    if empty:
        raise InputError(
            f"{len(empty)} image(s) have no file name:\n"
            f"{lines_of([_place(table, i) for i in empty])}"
        )


def _place(table: pa.Table, row: int) -> str:
    """Return the name of an image, after that of the archive that holds it, if any."""
    source = table.slice(row, 1).to_pylist()[0]
    in_archive = source["offset"] is not None or source["row"] is not None
    return f"{source['file']}: {source['name']}" if in_archive else str(source["name"])


def source_fingerprint(batches: Iterable[pa.RecordBatch | pa.Table]) -> str:
    """Return the sha256, in hexadecimal, of keys, names, labels and annotations.

    Args:
        batches: the table of sources in parts, in key order.
    """
    digest = hashlib.sha256()
    for batch in batches:
        columns = [batch[name].to_pylist() for name in FINGERPRINTED]
        for row in zip(*columns, strict=True):
            digest.update(f"{row!r}\n".encode())
    return digest.hexdigest()


def outside_places(files: Iterable[str | None]) -> list[str]:
    """Return which values of the column ``file`` do not lie below the root that a user names.

    Such are absolute paths, those with ``..`` or an encoded ``..``, and fsspec's URLs and chains.
    A set may come from anybody, and none of its paths may lead to other files of its reader.
    """
    return [str(place) for place in dict.fromkeys(files) if _is_outside(place)]


def _is_outside(place: str | None) -> bool:
    if place is None:
        return True
    decoded = urllib.parse.unquote(place)
    parts = re.split(r"[/\\]", decoded)
    has_url = any(mark in text for text in (place, decoded) for mark in ("://", "::"))
    return has_url or decoded[:1] in ("/", "\\") or ".." in parts or "\0" in decoded
