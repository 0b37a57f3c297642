"""Checking a shard's table of samples, and what follows from it for the files of the shard."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sysnoise.manifests.files import FileRow
from sysnoise.manifests.layout import ShardFormat, variant_slug
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.tables import (
    DatasetKind,
    DecoderStatus,
    SampleStatus,
    geometry_fields,
    geometry_of,
    parse_parquet,
    placement_of,
    samples_schema,
    target_fields,
)
from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.shards.writers.interface import SampleMetadata
from sysnoise.pipelines.shards.writers.parquet import metadata_columns, shard_schema
from sysnoise.pipelines.shards.writers.webdataset import member_header, metadata_members
from sysnoise.pipelines.verification.checked_file import ContentError
from sysnoise.pipelines.verification.expected import Expected
from sysnoise.pipelines.verification.facts import SetFacts
from sysnoise.pipelines.verification.statistics import (
    Columns,
    Flags,
    ShardSums,
    add_up,
    difference_messages,
    read_columns,
)
from sysnoise.transforms.codecs.exif import Exif, Orient
from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY, variant_names


@dataclass(frozen=True)
class ShardSamples:
    """A table of samples that has the bytes that the set says.

    Attributes:
        path: path of the table.
        facts: what the set says of itself.
        table: all rows, rejects included.
        accepted: the rows of the samples that every variant's file holds.
        keys: keys of these samples, in order.
        objects: COCO's objects of these samples as JSON texts; None for ImageNet, or where the
            table of sources cannot be used.
    """

    path: str
    facts: SetFacts
    table: pa.Table
    accepted: pa.Table
    keys: Sequence[str]
    objects: Sequence[str] | None

    @property
    def rejected(self) -> list[str]:
        """Keys of the rejects."""
        keys: list[str] = self.rejects["key"].to_pylist()
        return keys

    @functools.cached_property
    def rejects(self) -> pa.Table:
        """The rows of the rejects."""
        return self.table.filter(pc.not_equal(self.table["status"], SampleStatus.OK.value))

    @functools.cached_property
    def columns(self) -> Columns:
        """The accepted samples as arrays."""
        return read_columns(self.accepted, self.facts)

    @functools.cached_property
    def sums(self) -> ShardSums:
        """What the accepted samples add up to."""
        return add_up(self.columns, self.facts)

    def sources(self) -> Iterator[tuple[str, str]]:
        """Yield key, and sha256 of the source file, of every sample, rejects included."""
        columns = (self.table[name].to_pylist() for name in ("key", "source_sha256"))
        yield from zip(*columns, strict=True)

    def placements(self, geometry: str) -> list[Placement | None]:
        """Return the placement of each source image in a geometry; None for rejects."""
        rows = self.table.select(["status", "geometry", *_others(self.facts)]).to_pylist()
        ok = SampleStatus.OK.value
        return [
            placement_of(geometry_of(row, geometry)) if row["status"] == ok else None
            for row in rows
        ]

    def digests_of(self, row: FileRow) -> dict[str, bytes]:
        """Return the pixel digests of the images of a variant's file, by key."""
        digests = self.accepted[variant_slug(str(row.variant))].to_pylist()
        return dict(zip(self.keys, digests, strict=True))

    def same_digests(self, one: FileRow, other: FileRow) -> bool:
        """Whether the images of two variants have the same pixel digests."""
        columns = (self.accepted[variant_slug(str(row.variant))] for row in (one, other))
        return bool(next(columns).equals(next(columns)))

    @functools.cached_property
    def expected_at(self) -> dict[str, Expected]:
        """What the files of the variants of each geometry hold, besides their images."""
        return {name: self._expected(name) for name in (FIRST_GEOMETRY, *self.facts.geometries)}

    def _expected(self, geometry: str) -> Expected:
        facts = self.facts
        exif = Exif.APPLIED if "geometry_exif" in self.table.column_names else Exif.IGNORED
        is_known = facts.kind is DatasetKind.IMAGENET or self.objects is not None
        samples = self._metadata(geometry)
        contents: dict[str, bytes | None] = {}
        if ShardFormat.WEBDATASET in facts.formats:
            contents = {
                f"{sample.key}.{extension}": data if is_known else None
                for sample in samples
                for extension, data in (*metadata_members(sample), (facts.image_format, None))
            }
        columns = None
        if is_known and ShardFormat.PARQUET in facts.formats:
            columns = _as_stored(self._columns(samples, exif))
        return Expected(
            table=self.path,
            keys=self.keys,
            members=contents,
            headers={name: member_header(name, 0) for name in contents},
            columns=columns,
            schemas=[
                _stored_schema(facts.kind, exif, facts.orient, facts.image_format, names)
                for names in dict.fromkeys((facts.label_names, ()))
            ],
            row_group_rows=facts.row_group_rows,
            image_format=facts.image_format,
        )

    def _columns(self, samples: Sequence[SampleMetadata], exif: Exif) -> pa.Table:
        facts = self.facts
        geometry = geometry_fields(exif, facts.orient)
        schema = shard_schema(facts.kind, geometry, facts.image_format)
        columns = metadata_columns(samples, schema)
        return pa.table(columns, pa.schema([schema.field(name) for name in columns]))

    def expected_in(self, row: FileRow, *, with_digests: bool) -> Expected:
        """Return what a variant's file holds; without digests its images are not decoded."""
        digests = self.digests_of(row) if with_digests else None
        geometry = variant_names(str(row.variant))["geometry"]
        return dataclasses.replace(self.expected_at[geometry], digests=digests)

    def _metadata(self, geometry: str) -> list[SampleMetadata]:
        """Return what files of a geometry store of each accepted sample, as they are written."""
        geometries = [n for n in ("geometry", "geometry_exif") if n in self.table.column_names]
        targets = [field.name for field in target_fields(self.facts.kind)]
        names = ["key", "source_name", "source_sha256", *targets, *geometries]
        names += _others(self.facts)
        is_coco = self.facts.kind is DatasetKind.COCO
        objects = self.objects if self.objects is not None else ["[]"] * len(self.keys)
        return [
            SampleMetadata(
                row["key"],
                row["source_name"],
                row["source_sha256"],
                {name: row[name] for name in targets},
                {name: row[name] for name in geometries if row[name] is not None}
                | {"geometry": geometry_of(row, geometry)},
                _mapped(text, placement_of(geometry_of(row, geometry))) if is_coco else None,
            )
            for row, text in zip(self.accepted.select(names).to_pylist(), objects, strict=True)
        ]


def _others(facts: SetFacts) -> tuple[str, ...]:
    """Return the column of the geometries but the first, if there are any."""
    return ("geometries",) if facts.geometries else ()


@functools.lru_cache(maxsize=4)
def _stored_schema(
    kind: DatasetKind, exif: Exif, orient: Orient, image_format: str, names: tuple[str, ...]
) -> pa.Schema:
    schema = shard_schema(kind, geometry_fields(exif, orient), image_format, names)
    return _as_stored(schema.empty_table()).schema


def _as_stored(table: pa.Table) -> pa.Table:
    """Return a table as it is read from a Parquet file, which names the items of lists itself."""
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer)
    return pq.ParquetFile(pa.BufferReader(buffer.getvalue())).read(use_threads=False)


def _mapped(objects: str, placement: Placement) -> list[Mapping[str, Any]]:
    # It is imported here because only COCO's sets need it.
    from sysnoise.transforms.targets import map_annotation

    return [map_annotation(each, placement) for each in json.loads(objects)]


def parse_samples(
    path: str, data: bytes, facts: SetFacts, sources: pa.Table | None
) -> ShardSamples:
    """Read a shard's table of samples.

    Args:
        path: path of the table.
        data: content of the file.
        facts: what the set says of itself.
        sources: the shard's rows of the table of sources; None where that cannot be used.

    Raises:
        ContentError: the table has other columns.
    """
    table = parse_parquet(data)
    slugs = [variant_slug(variant) for variant in facts.variants]
    schemas = [
        samples_schema(facts.kind, facts.decoders, slugs, exif, facts.orient, facts.geometries)
        for exif in Exif
    ]
    if not any(table.schema.equals(schema) for schema in schemas):
        raise ContentError(f"its columns are {quoted(table.schema.names)}, or of other types")
    accepted = table.filter(pc.equal(table["status"], SampleStatus.OK.value)).combine_chunks()
    objects = None
    if sources is not None and facts.kind is DatasetKind.COCO:
        by_key = dict(
            zip(sources["key"].to_pylist(), sources["annotations"].to_pylist(), strict=True)
        )
        objects = [by_key.get(key) or "[]" for key in accepted["key"].to_pylist()]
    return ShardSamples(path, facts, table, accepted, accepted["key"].to_pylist(), objects)


def samples_messages(
    samples: ShardSamples, shard: int, sources: pa.Table | None, plan: Plan | None
) -> Iterator[str]:
    """Yield how a table of samples contradicts itself, the table of sources or the plan."""
    table, facts = samples.table, samples.facts
    if table.num_rows != facts.shard_size(shard):
        yield f"has {table.num_rows} rows, the shard has {facts.shard_size(shard)} source images"
    yield from _null_messages(samples)
    if sources is not None and sources.num_rows == table.num_rows:
        yield from _source_messages(table, sources, plan)
    keys = samples.keys
    yield from difference_messages(samples.columns, facts, keys, _of_other_size(samples))


def _of_other_size(samples: ShardSamples) -> Flags:
    """Return whether a variant's images may be of another size than the baseline's.

    Returns:
        One row per variant, one column per sample.
    """
    accepted, facts = samples.accepted, samples.facts
    first = accepted["geometry"].combine_chunks()
    upright = np.zeros(accepted.num_rows, np.bool_)
    if "geometry_exif" in accepted.column_names:
        upright = _differ(first, accepted["geometry_exif"].combine_chunks())
    flags = {FIRST_GEOMETRY: upright}
    if facts.geometries:
        others = accepted["geometries"].combine_chunks()
        flags |= {name: _differ(first, others.field(name)) for name in facts.geometries}
    names = [variant_names(variant)["geometry"] for variant in facts.variants]
    return np.array([flags[name] for name in names], np.bool_)


def _differ(one_geometry: pa.StructArray, other_geometry: pa.StructArray) -> Flags:
    """Return whether the sizes in two columns of geometries differ, by sample."""
    columns = (one_geometry, other_geometry)
    one, other = ([each.field(f"output_{s}") for s in ("width", "height")] for each in columns)
    different = [pc.fill_null(pc.not_equal(*pair), False) for pair in zip(one, other, strict=True)]
    return np.asarray(pc.or_(*different).to_numpy(zero_copy_only=False), np.bool_)


def _null_messages(samples: ShardSamples) -> Iterator[str]:
    """Yield where values are missing, or are none of those that may stand there."""
    accepted, rejects, facts = samples.accepted, samples.rejects, samples.facts
    statuses = [SampleStatus.OK.value, SampleStatus.REJECTED.value]
    if not _are_among(samples.table["status"], statuses):
        yield f"has another status than {quoted(statuses)}"
    slugs = [variant_slug(variant) for variant in facts.variants]
    empty = [name for name in ("key", "source_name") if samples.table[name].null_count]
    others = _others(facts)
    needed = ("source_sha256", "geometry", *others, "decoders", *slugs)
    empty += [name for name in needed if accepted[name].null_count]
    if empty:
        yield f"has accepted samples without {quoted(empty)}"
    full = [
        name
        for name in ("geometry", *others, "differences", *slugs)
        if rejects[name].null_count < rejects.num_rows
    ]
    if full:
        yield f"has rejects with {quoted(full)}"
    decoders = accepted["decoders"].combine_chunks()
    own = (DecoderStatus.OK.value, DecoderStatus.FALLBACK.value)
    for name in facts.decoders:
        allowed = own[: 1 if name == facts.baseline.split("/")[0] else 2]
        if not _are_among(decoders.field(name), allowed):
            yield f"has another status of {name} in accepted samples than {quoted(allowed)}"


def _are_among(column: Any, values: Sequence[str]) -> bool:
    return bool(pc.all(pc.is_in(column, value_set=pa.array(values)), min_count=0).as_py())


def _source_messages(table: pa.Table, sources: pa.Table, plan: Plan | None) -> Iterator[str]:
    """Compare the columns that say which image a sample is with the table of sources."""
    expected = {"key": sources["key"], "source_name": sources["name"]}
    if "label" in table.column_names:
        expected |= {"label": sources["label"], "wnid": sources["wnid"]}
    if plan is not None and "class_name" in table.column_names:
        expected["class_name"] = _class_names(sources["label"].to_pylist(), plan)
    if "image_id" in table.column_names:
        ids = [json.loads(image)["id"] for image in sources["image"].to_pylist()]
        expected["image_id"] = pa.chunked_array([pa.array(ids, pa.int64())])
    changed = [name for name, column in expected.items() if not table[name].equals(column)]
    if changed:
        yield f"has other values than the sources give in {quoted(changed)}"


def _class_names(labels: Sequence[int | None], plan: Plan) -> pa.ChunkedArray:
    names = [
        plan.classes[label].name if plan.classes and label is not None else None for label in labels
    ]
    return pa.chunked_array([pa.array(names, pa.string())])
