"""Reading a finished set: its manifest, its samples and the images of its variants.

Loads neither Beam nor the codecs that made the set; PNG and WebP are decoded with Pillow. Remote
files are read through fsspec as they are: for long jobs, ``sysnoise fetch`` makes a checked copy.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import html
import io
import posixpath
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any, BinaryIO, Protocol, TypeVar

import fsspec
import pyarrow as pa
import pyarrow.compute as pc

from sysnoise.manifests.bounded import (
    DOCUMENT_BYTES,
    TABLE_BYTES,
    FileTooLargeError,
    open_binary,
    open_url,
    read_part,
    read_whole,
    without_file,
)
from sysnoise.manifests.errors import (
    ManifestError,
    NotHeldError,
    PartError,
    SetError,
    UnfinishedError,
)
from sysnoise.manifests.files import FILES_SCHEMA, FileRow, file_rows
from sysnoise.manifests.json_documents import DocumentError, read_document
from sysnoise.manifests.layout import (
    FILES,
    GROUND_TRUTHS,
    MANIFEST,
    MAX_PIXELS,
    PART,
    REJECTS,
    ShardFormat,
    annotations_path,
    leaves_set,
    samples_path,
    shard_name,
)
from sysnoise.manifests.manifest import Manifest, VariantDocument, read_manifest
from sysnoise.manifests.part import held_variants
from sysnoise.manifests.records import PairedSample, Sample
from sysnoise.manifests.secrets import without_secrets
from sysnoise.manifests.stored import StoredSample, decode_stored, stored_images, stored_samples
from sysnoise.manifests.tables import (
    SHARD_ROWS,
    DatasetKind,
    SampleStatus,
    check_required,
    parse_parquet,
    rejects_schema,
    samples_schema,
)
from sysnoise.transforms.codecs.exif import Exif
from sysnoise.transforms.digests import pixel_digest
from sysnoise.transforms.documents import largest_output, orient_of, other_geometries
from sysnoise.transforms.errors import plain_message
from sysnoise.transforms.methods import unknown_name
from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.text import one_line

_NOT_FOUND = 404
Item = TypeVar("Item", covariant=True)


class Parse(Protocol[Item]):
    """A function that reads a shard file, such as those of :mod:`sysnoise.manifests.stored`."""

    def __call__(
        self, opened: BinaryIO, shard_format: ShardFormat, image_format: str
    ) -> Iterator[Item]:
        """Yield the samples or images in the file."""


@dataclass(frozen=True)
class FinishedSet:
    """A finished set, or a copy of some of its variants.

    Attributes:
        url: URL of the set's root.
        fs: file system of the set.
        path: path of the root in that file system.
        manifest: the parsed manifest.
        max_pixels: number of pixels of the largest image that is decoded.
    """

    url: str
    fs: fsspec.AbstractFileSystem
    path: str
    manifest: Manifest
    max_pixels: int = MAX_PIXELS

    def __repr__(self) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in self._facts().items())
        return one_line(f"<FinishedSet {without_secrets(self.url)!r}: {facts}>")

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        rows = {"set": without_secrets(self.url), **self._facts()}
        cells = (
            f"<tr><th>{name}</th><td>{html.escape(one_line(str(value)))}</td></tr>"
            for name, value in rows.items()
        )
        return f"<table>{''.join(cells)}</table>"

    def _facts(self) -> dict[str, object]:
        """Return what a set is in a few words, from its manifest alone."""
        dataset, counts = self.manifest["dataset"], self.manifest["counts"]
        return {
            "dataset": f"{dataset['kind']} {dataset['split']}",
            "samples": counts["samples"],
            "grid": self.manifest["grid"]["name"],
            "variants": counts["variants"],
            "baseline": self.baseline,
            "shards": counts["shards"],
            "format": " and ".join(self.manifest["formats"]) or "none",
            "images": self.image_format,
        }

    @functools.cached_property
    def shards(self) -> int:
        """Number of shards of a variant.

        Raises:
            SetError: the files table does not name a table of samples for each shard.
        """
        shards = self.manifest["counts"]["shards"]
        named = pc.sum(pc.equal(self._files_table["format"], "samples")).as_py() or 0
        if named != shards:
            raise SetError(
                f"{self.url!r} is damaged: its manifest counts {shards} shards, {FILES} names "
                f"{named} tables of samples; fetch it again"
            )
        return shards

    @property
    def variants(self) -> dict[str, VariantDocument]:
        """The manifest's entry of each variant, by id, in grid order."""
        return {variant["id"]: variant for variant in self.manifest["variants"]}

    @property
    def baseline(self) -> str:
        """Id of the variant that noise is measured against."""
        return str(self.manifest["grid"]["baseline"])

    @property
    def image_format(self) -> str:
        """The format of the stored images: ``png``, ``webp``, ``jxl`` or ``npy``."""
        return str(self.manifest["image_format"]["name"])

    @property
    def shard_format(self) -> ShardFormat:
        """The format of the shards that are read: the first, where the set has both.

        There is none where the set was made without images.
        """
        return ShardFormat(self.manifest["formats"][0])

    @functools.cached_property
    def held(self) -> tuple[str, ...]:
        """Ids of the variants whose images the set holds, in grid order.

        Raises:
            SetError: ``part.json`` is damaged.
        """
        try:
            part = _read_file(self.fs, self.path, PART, self.url, DOCUMENT_BYTES)
        except FileNotFoundError:
            part = None
        try:
            return held_variants(self.manifest, part)
        except PartError as error:
            raise SetError(f"{self.url!r}: {error}") from error

    def iterate(self, variant: str, shards: Iterable[int] | None = None) -> Iterator[Sample]:
        """Yield the samples of a variant, in stored order.

        Args:
            variant: id or slug.
            shards: numbers of shards; None for all.

        Raises:
            SetError: the set does not hold the variant, or a file is missing or damaged.
        """
        for shard in self._chosen(shards):
            file = self.shard_file(variant, shard)
            for stored in self.read_shard(file, stored_samples):
                yield Sample(
                    image=self._decoded(file, stored.key, stored.image), **_description(stored)
                )

    def paired(
        self, variants: Sequence[str], shards: Iterable[int] | None = None
    ) -> Iterator[PairedSample]:
        """Yield each sample with its images of several variants.

        Args:
            variants: ids or slugs; at least one.
            shards: numbers of shards; None for all.

        Raises:
            SetError: as :meth:`iterate`, or the variants do not hold the same samples.
        """
        if not variants:
            raise ValueError("paired() needs at least one variant")
        for shard in self._chosen(shards):
            yield from self.paired_part(variants, shard)

    def paired_part(
        self, variants: Sequence[str], shard: int, start: int = 0, stop: int | None = None
    ) -> Iterator[PairedSample]:
        """Yield samples of a shard with their images of several variants, and decode no others.

        Args:
            variants: ids or slugs; at least one.
            shard: number of the shard.
            start: place of the first sample in the shard, from 0 on.
            stop: the place behind the last one; None for the end of the shard.

        Raises:
            SetError: as :meth:`paired`.
        """
        files = {each: self.shard_file(each, shard) for each in self.variant_ids(variants)}
        streams = (self.read_shard(file, stored_samples) for file in files.values())
        for row in islice(zip_longest(*streams), start, stop):
            yield self.paired_sample(files, row)

    def paired_sample(
        self, files: Mapping[str, FileRow], row: Sequence[StoredSample | None]
    ) -> PairedSample:
        """Decode a sample that was read in several variants.

        Args:
            files: the files that it was read from, by the ids of the variants.
            row: the sample as it is stored in each of them; None where the file ended before.

        Raises:
            SetError: they are different samples, or an image is damaged.
        """
        keys = [stored and stored.key for stored in row]
        samples = [stored for stored in row if stored is not None]
        if len({*keys}) != 1:
            places = {file.path: key for file, key in zip(files.values(), keys, strict=True)}
            (shard,) = {file.shard for file in files.values()}
            raise SetError(
                f"reading {self.url!r} in pairs: the variants hold other samples at one place of "
                f"shard {shard}: {places}; 'sysnoise verify' finds the damage"
            )
        decoded: dict[bytes, Pixels] = {}
        for file, stored in zip(files.values(), samples, strict=True):
            if stored.image not in decoded:
                decoded[stored.image] = self._decoded(file, stored.key, stored.image)
        images = {
            variant: decoded[stored.image] for variant, stored in zip(files, samples, strict=True)
        }
        return PairedSample(images=images, **_description(samples[0]))

    def check_shard(self, variant: str, shard: int) -> None:
        """Read a shard of a variant whole and compare it with what the set says.

        Args:
            variant: id or slug.
            shard: number of the shard.

        Raises:
            SetError: its length, sha256, samples, their order or their pixels differ.
        """
        file = self.shard_file(variant, shard)
        slug = self.variants[self._variant_id(variant)]["slug"]
        rows = self.samples(shard, ["key", "status", slug])
        expected = {row["key"]: row[slug] for row in rows if row["status"] == SampleStatus.OK.value}
        samples = list(self.checked_samples(variant, shard))
        keys = [stored.key for stored in samples]
        if keys != list(expected):
            raise self._damaged(file, f"it holds the samples {keys}, expected {list(expected)}")
        for stored in samples:
            pixels = self._decoded(file, stored.key, stored.image)
            if pixel_digest(pixels) != expected[stored.key]:
                raise self._damaged(file, f"{stored.key!r} has other pixels than its digest says")

    def checked_samples(self, variant: str, shard: int) -> Iterator[StoredSample]:
        """Yield the samples of a shard as they are stored, once its length and sha256 are right.

        Args:
            variant: id or slug.
            shard: number of the shard, which is held in memory.

        Raises:
            SetError: as :meth:`iterate`, or the file has another length or sha256 than it must.
        """
        file = self.shard_file(variant, shard)
        yield from self.parse_shard(file, io.BytesIO(self.checked_bytes(file)), stored_samples)

    def samples(self, shard: int, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return columns of a shard's table of samples, one row per sample, rejects included.

        Raises:
            SetError: the set has no such shard, or its table is missing or damaged.
            KeyError: the table has no such column.
        """
        rows: list[dict[str, Any]] = self.samples_table(shard, columns).to_pylist()
        return rows

    def samples_table(self, shard: int, columns: Sequence[str]) -> pa.Table:
        """Return columns of a shard's table of samples, rejects included, as an Arrow table.

        Raises:
            SetError, KeyError: as :meth:`samples`.
        """
        table = self._table(samples_path(shard_name(shard, self.shards)), columns)
        if table.num_rows > SHARD_ROWS:
            raise SetError(
                f"shard {shard} of {self.url!r} has {table.num_rows} samples, the limit is "
                f"{SHARD_ROWS}"
            )
        return table

    def rejects(self, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return columns of the table of rejects, one row per sample that was left out.

        Raises:
            SetError, KeyError: as :meth:`samples`.
        """
        rows: list[dict[str, Any]] = self._table(REJECTS, columns).to_pylist()
        return rows

    def annotations(self, kind: str = GROUND_TRUTHS[0]) -> dict[str, Any]:
        """Return COCO's ground truth, of the images that the set holds.

        Args:
            kind: ``original``, in source pixels, or ``rescaled``, in those of the stored images;
                of another geometry than the first, ``rescaled-at-GEOMETRY``.

        Raises:
            SetError: the set has none, or the file is missing or damaged.
        """
        split = self.manifest["dataset"]["split"]
        data = self.listed_file(annotations_path(split, kind))
        try:
            return read_document(data, dict[str, Any])
        except DocumentError as error:
            raise SetError(f"the annotations of {self.url!r} are damaged: {error}") from error

    def images(self, variant: str, shard: int) -> Iterator[tuple[str, bytes]]:
        """Yield key and encoded image of each sample of a shard, in stored order.

        Raises:
            SetError: as :meth:`iterate`.
        """
        return self.read_shard(self.shard_file(variant, shard), stored_images)

    def decode(self, variant: str, shard: int, key: str, data: bytes) -> Pixels:
        """Decode an image that :meth:`images` gave: uint8, shape (H, W, 3), RGB.

        Raises:
            SetError: it is damaged.
        """
        return self._decoded(self.shard_file(variant, shard), key, data)

    def shard_file(self, variant: str, shard: int) -> FileRow:
        """Return the file that holds a shard of a variant.

        For a file that was left out as a duplicate, that is the one that has its bytes.

        Raises:
            SetError: the set has no such variant or shard, or does not hold its images.
        """
        variant_id = self._variant_id(variant)
        if variant_id not in self.held:
            raise NotHeldError(
                f"{self.url!r} has no images of {variant_id!r}; it holds those of "
                f"{', '.join(self.held) or 'no variant'}"
            )
        if variant_id not in self._known_files:
            self._known_files[variant_id] = self._files_of(variant_id)
        try:
            return self._known_files[variant_id][shard]
        except KeyError as error:
            raise SetError(f"{self.url!r} has no shard {shard}, but {self.shards}") from error

    @functools.cached_property
    def _known_files(self) -> dict[str, dict[int, FileRow]]:
        return {}

    def _files_of(self, variant_id: str) -> dict[int, FileRow]:
        """Return the files of a variant by shard; no path may leave the set."""
        table = self._files_table
        chosen = pc.and_(
            pc.equal(table["variant"], variant_id),
            pc.equal(table["format"], self.shard_format.value),
        )
        rows = map(self._stored_at, file_rows(table.filter(chosen)))
        return {row.shard: row for row in rows if row.shard is not None}

    def _stored_at(self, row: FileRow) -> FileRow:
        """Return a row with the path at which its bytes are."""
        path = row.same_as or row.path
        if leaves_set(path):
            raise SetError(f"{FILES} of {self.url!r} names {path!r}, outside of the set")
        return dataclasses.replace(row, path=path, same_as=None)

    def _table(self, path: str, columns: Sequence[str]) -> pa.Table:
        data = self.listed_file(path)
        schema = self._schema(path)
        expected = pa.schema([schema.field(column) for column in columns])
        return self._parsed_table(path, data, expected)

    def _schema(self, path: str) -> pa.Schema:
        """Return the schema of the table of rejects or of a table of samples."""
        grid = self.manifest["grid"]
        if path == REJECTS:
            return rejects_schema(grid["decoders"])
        kind = DatasetKind(self.manifest["dataset"]["kind"])
        slugs = [variant["slug"] for variant in self.variants.values()]
        return samples_schema(
            kind,
            grid["decoders"],
            slugs,
            Exif.APPLIED,
            orient_of(grid),
            other_geometries(grid),
        )

    def _parsed_table(self, path: str, data: bytes, expected: pa.Schema) -> pa.Table:
        """Return a table that has the expected columns of the expected types."""
        try:
            table = parse_parquet(data, expected.names)
            if not table.schema.equals(expected):
                table = table.cast(expected)
            check_required(table)
        except KeyError as error:
            problem = f"it has no column {error}"
            raise SetError(f"{path!r} of {self.url!r} is damaged: {problem}") from error
        except (pa.ArrowException, OSError, ValueError) as error:
            problem = plain_message(error)
            raise SetError(f"{path!r} of {self.url!r} is damaged: {problem}") from error
        return table

    def listed_file(self, path: str) -> bytes:
        """Return the content of a file that the files table names, after a look at its sha256.

        Raises:
            SetError: the table does not name it, or it is missing or damaged.
        """
        table = self._files_table
        rows = list(file_rows(table.filter(pc.equal(table["path"], path))))
        if not rows:
            raise SetError(f"{self.url!r} has no file {path!r}")
        return self.checked_bytes(self._stored_at(rows[0]))

    @functools.cached_property
    def _files_table(self) -> pa.Table:
        named = self.manifest["files"]
        file = FileRow(FILES, None, None, "files", None, named["bytes"], named["sha256"])
        return self._parsed_table(FILES, self.checked_bytes(file), FILES_SCHEMA)

    def _variant_id(self, variant: str) -> str:
        for variant_id, described in self.variants.items():
            if variant in (variant_id, described["slug"]):
                return variant_id
        raise SetError(f"reading {self.url!r}: {unknown_name('variant', variant, self.variants)}")

    def variant_ids(self, variants: Iterable[str]) -> list[str]:
        """Return the ids of variants that are given by id or by slug.

        Raises:
            SetError: the set has no such variant.
        """
        return [self._variant_id(variant) for variant in variants]

    def _chosen(self, shards: Iterable[int] | None) -> Iterable[int]:
        return range(self.shards) if shards is None else shards

    def read_shard(self, file: FileRow, parse: Parse[Item]) -> Iterator[Item]:
        """Yield what a function finds in a shard file: an item for each of its samples.

        Args:
            file: the file, as :meth:`shard_file` gives it.
            parse: the function.

        Raises:
            SetError: the file is missing or damaged, or holds more or fewer samples than it must.
        """
        count = 0
        with self.open_shard(file) as opened:
            for item in self.parse_shard(file, opened, parse):
                count += 1
                yield item
        if count != file.samples:  # A tar with a damaged header just seems to end there.
            raise self._damaged(file, f"it holds {count} samples, expected {file.samples}")

    def open_shard(self, file: FileRow) -> BinaryIO:
        """Open a shard file for reading.

        Args:
            file: the file, as :meth:`shard_file` gives it.

        Raises:
            SetError: the file is missing, or cannot be opened.
        """
        try:
            return open_binary(self.fs, posixpath.join(self.path, file.path))
        except FileNotFoundError as error:
            raise self._missing(file.path, error) from error
        except Exception as error:
            raise _unread(file.path, self.url, error) from error

    def parse_shard(self, file: FileRow, opened: BinaryIO, parse: Parse[Item]) -> Iterator[Item]:
        """Yield what a function finds in a shard file that is open, or in a part of one.

        Args:
            file: the file, as :meth:`shard_file` gives it.
            opened: the file, or a part of it that can be read like a whole one.
            parse: the function.

        Raises:
            SetError: the file is damaged.
        """
        try:
            yield from parse(opened, self.shard_format, self.image_format)
        except (ValueError, KeyError, tarfile.TarError, pa.ArrowException) as error:
            raise self._damaged(file, f"it cannot be read: {plain_message(error)}") from error
        except Exception as error:
            raise _unread(file.path, self.url, error) from error

    def _decoded(self, file: FileRow, key: str, data: bytes) -> Pixels:
        try:
            return decode_stored(data, self.image_format, self.image_pixels)
        except ImportError as error:
            raise SetError(
                f"reading {self.url!r}: its images are {self.image_format}, which needs a library "
                f"that is not installed: {error}"
            ) from error
        except Exception as error:  # Codecs raise whatever they like on damaged data.
            problem = f"the image of {key!r} cannot be decoded: {plain_message(error)}"
            raise self._damaged(file, problem) from error

    @functools.cached_property
    def image_pixels(self) -> int:
        """The number of pixels of the largest image, as far as the geometry decides it."""
        largest = largest_output(self.manifest["grid"])
        return self.max_pixels if largest is None else min(largest, self.max_pixels)

    def _damaged(self, file: FileRow, problem: str) -> SetError:
        return SetError(
            f"{file.path!r} of {self.url!r} is damaged: {problem}; fetch it again, or see "
            "'sysnoise verify'"
        )

    def _missing(self, path: str, error: FileNotFoundError) -> SetError:
        """Return the error for a file that fsspec calls missing.

        For files on the web it says so of any failure; the cause has the status.
        """
        cause = error.__cause__
        if isinstance(cause, Exception) and getattr(cause, "status", _NOT_FOUND) != _NOT_FOUND:
            return _unread(path, self.url, cause)
        return NotHeldError(f"{self.url!r} lacks {path!r}")

    def part_of_shard(self, file: FileRow, start: int, stop: int) -> bytes:
        """Return the bytes of a shard file between two places.

        Args:
            file: the file, as :meth:`shard_file` gives it.
            start: place of the first byte.
            stop: the place behind the last one.

        Raises:
            SetError: the file is missing or shorter, or cannot be read.
        """
        try:
            data = read_part(self.fs, posixpath.join(self.path, file.path), start, stop)
        except FileNotFoundError as error:
            raise self._missing(file.path, error) from error
        except Exception as error:
            raise _unread(file.path, self.url, error) from error
        if len(data) != stop - start:
            raise self._damaged(file, f"it ends before its byte {stop}")
        return data

    def reopened(self) -> FinishedSet:
        """Return the same set with connections of its own.

        A process that was forked needs them, because fsspec's do not survive it.
        """
        fs, _ = open_url(self.url)
        return dataclasses.replace(self, fs=fs)

    def checked_bytes(self, file: FileRow) -> bytes:
        """Return the content of a file, which has the length and the sha256 that it must have.

        Args:
            file: the file, as :meth:`shard_file` gives it.

        Raises:
            SetError: it is missing, damaged or cannot be read.
        """
        try:
            data = _read_file(self.fs, self.path, file.path, self.url, file.bytes)
        except FileNotFoundError as error:
            raise self._missing(file.path, error) from error
        except FileTooLargeError as error:
            raise self._damaged(file, f"it has more than {file.bytes} bytes") from error
        sha256 = hashlib.sha256(data).hexdigest()
        if (len(data), sha256) != (file.bytes, file.sha256):
            raise self._damaged(
                file,
                f"it has {len(data)} bytes with the sha256 {sha256}, expected {file.bytes} with "
                f"{file.sha256}",
            )
        return data


def _description(stored: StoredSample) -> dict[str, Any]:
    """Return the fields of :class:`SampleDescription`."""
    fields = stored.fields
    return {
        "key": stored.key,
        "targets": fields.get("annotations"),
        "geometry": fields["geometry"],
        **{name: fields.get(name) for name in ("label", "image_id", "geometry_exif")},
    }


def _read_file(
    fs: fsspec.AbstractFileSystem, root: str, path: str, url: str, most: int = TABLE_BYTES
) -> bytes:
    """Return the content of a file of a set, of at most so many bytes.

    Raises:
        FileNotFoundError: there is none.
        FileTooLargeError: it is longer.
        SetError: it cannot be read.
    """
    try:
        return read_whole(fs, posixpath.join(root, path), most)
    except (FileNotFoundError, FileTooLargeError):
        raise
    except Exception as error:
        raise _unread(path, url, error) from error


def _unread(path: str, url: str, error: Exception) -> SetError:
    """Return the error of a file system, which is often of its library's own kind."""
    return SetError(f"reading {path!r} of {url!r}: {plain_message(error)}; try again")


def open_set(url: str, max_pixels: int = MAX_PIXELS) -> FinishedSet:
    """Open a finished set and check its manifest against the schema.

    Args:
        url: root of the set, path or fsspec URL.
        max_pixels: number of pixels of the largest image that is decoded; a larger one counts as
            damaged.

    Raises:
        UnfinishedError: there is no such folder, or it has no manifest.
        SetError: the manifest cannot be read.
        ManifestError: the manifest does not follow the schema, or was edited.

    Examples:
        >>> from sysnoise import open_set
        >>> noisy = open_set("demo/imagenet")
        >>> noisy.baseline
        'pillow/pillow-bilinear/rgb'
        >>> sample = next(noisy.iterate("opencv/pillow-bilinear/rgb"))
        >>> sample.image.shape, sample.image.dtype
        ((224, 224, 3), dtype('uint8'))
    """
    try:
        fs, path = open_url(url)
        data = _read_file(fs, path, MANIFEST, url, DOCUMENT_BYTES)
    except FileNotFoundError as error:
        raise UnfinishedError(without_file(fs, path, url, MANIFEST, "a finished set")) from error
    except (OSError, ValueError, ImportError) as error:
        raise SetError(f"reading {MANIFEST} of {url!r}: {error}") from error
    try:
        manifest = read_manifest(data)
    except ManifestError as error:
        raise ManifestError(f"reading {url!r}: {error}; fetch it again") from error
    return FinishedSet(url, fs, path, manifest, max_pixels)
