"""What the files of a set are checked against: from its manifest, or from its plan."""

from __future__ import annotations

from dataclasses import dataclass

from sysnoise.manifests.label_names import label_names
from sysnoise.manifests.layout import ShardFormat
from sysnoise.manifests.manifest import Manifest
from sysnoise.manifests.plan import ClassInfo, Plan, grid_variants
from sysnoise.manifests.tables import DatasetKind
from sysnoise.transforms.codecs.exif import Orient
from sysnoise.transforms.documents import orient_of, other_geometries


@dataclass(frozen=True)
class SetFacts:
    """What decides which files a set has, and what is in them.

    Attributes:
        kind: kind of the dataset.
        split: name of the split.
        sources: number of source images.
        samples_per_shard: number of source images of every shard except the last.
        shards: number of shards.
        decoders: names of the decoders of the grid.
        variants: ids of the variants, in grid order.
        baseline: id of the baseline, one of the variants.
        orient: how the images are turned.
        geometries: names of the geometries but the first.
        formats: formats of the shards.
        image_format: format of the images in them.
        row_group_rows: number of rows per row group of Parquet shards.
        label_names: the name of each label; none where they are not known.
        fingerprint: fingerprint of the plan.
    """

    kind: DatasetKind
    split: str
    sources: int
    samples_per_shard: int
    shards: int
    decoders: tuple[str, ...]
    variants: tuple[str, ...]
    baseline: str
    orient: Orient
    geometries: tuple[str, ...]
    formats: tuple[ShardFormat, ...]
    image_format: str
    row_group_rows: int
    label_names: tuple[str, ...]
    fingerprint: str

    @property
    def files_per_shard(self) -> int:
        """Number of rows of the files table that a shard has."""
        return 1 + len(self.variants) * len(self.formats)

    def shard_size(self, shard: int) -> int:
        """Return the number of source images of a shard."""
        return min(self.samples_per_shard, self.sources - shard * self.samples_per_shard)


def manifest_facts(manifest: Manifest) -> SetFacts:
    """Return what a manifest says."""
    classes = [
        ClassInfo(each["wnid"], each["name"]) for each in manifest["dataset"].get("classes", ())
    ]
    return SetFacts(
        kind=DatasetKind(manifest["dataset"]["kind"]),
        split=manifest["dataset"]["split"],
        sources=manifest["counts"]["sources"],
        samples_per_shard=manifest["plan"]["samples_per_shard"],
        shards=manifest["counts"]["shards"],
        decoders=tuple(manifest["grid"]["decoders"]),
        variants=tuple(variant["id"] for variant in manifest["variants"]),
        baseline=manifest["grid"]["baseline"],
        orient=orient_of(manifest["grid"]),
        geometries=other_geometries(manifest["grid"]),
        formats=tuple(ShardFormat(value) for value in manifest["formats"]),
        image_format=manifest["image_format"]["name"],
        row_group_rows=manifest["plan"]["row_group_rows"],
        label_names=label_names(classes),
        fingerprint=manifest["plan"]["fingerprint"],
    )


def plan_facts(plan: Plan) -> SetFacts:
    """Return what a plan says."""
    return SetFacts(
        kind=plan.kind,
        split=plan.split,
        sources=plan.samples,
        samples_per_shard=plan.samples_per_shard,
        shards=plan.shards,
        decoders=tuple(plan.grid_document["decoders"]),
        variants=grid_variants(plan.grid_document),
        baseline=plan.grid_document["baseline"],
        orient=orient_of(plan.grid_document),
        geometries=other_geometries(plan.grid_document),
        formats=plan.formats,
        image_format=plan.image_format,
        row_group_rows=plan.row_group_rows,
        label_names=label_names(plan.classes),
        fingerprint=plan.fingerprint,
    )
