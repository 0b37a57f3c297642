"""Composing the manifest of a finished set."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sysnoise.manifests.changes import methods_of
from sysnoise.manifests.environment import describe_environment
from sysnoise.manifests.manifest import (
    AxisNoise,
    Manifest,
    NamedFile,
    OptionalAxes,
    VariantDocument,
    dataset_document,
    manifest_checksum,
    validate_manifest,
)
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.schema import MANIFEST_VERSION
from sysnoise.pipelines.shards.noise import VariantNoise
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY, ORIGINAL
from sysnoise.transforms.variants import Variant


@dataclass(frozen=True)
class Contents:
    """What a finished set holds.

    Attributes:
        samples: number of samples in every variant.
        rejects: number of samples that were left out.
        content_sha256: fingerprint of the source files' bytes.
        files: the files table, of :data:`sysnoise.manifests.files.FILES_SCHEMA`.
        files_table: the file that holds that table.
        noise_by_variant: noise of each variant, by id, in grid order.
        noise_by_axis: the pooled difference of each axis.
    """

    samples: int
    rejects: int
    content_sha256: str
    files: pa.Table
    files_table: NamedFile
    noise_by_variant: Mapping[str, VariantNoise]
    noise_by_axis: Mapping[str, AxisNoise]


def build_manifest(plan: Plan, contents: Contents) -> Manifest:
    """Compose the manifest of a finished set and check it against its schema.

    Args:
        plan: the plan of the set.
        contents: what the set holds.

    Raises:
        ManifestError: the result does not follow the schema.
    """
    identities, variants = plan.identities, plan.grid.variants
    libraries = {method["library"] for _, method in methods_of(identities)}
    stored = contents.files.filter(pc.is_null(contents.files["same_as"]))
    manifest: Manifest = {
        "version": MANIFEST_VERSION,
        "generator": {"name": "sysnoise", "version": importlib.metadata.version("sysnoise")},
        "dataset": dataset_document(plan),
        "counts": {
            "sources": plan.samples,
            "samples": contents.samples,
            "rejects": contents.rejects,
            "variants": len(variants),
            "shards": plan.shards,
            "images": contents.samples * len(variants) * len(plan.formats),
            "files": stored.num_rows,
            "bytes": pc.sum(stored["bytes"]).as_py(),
        },
        "source": {
            "list_sha256": plan.source_sha256,
            "content_sha256": contents.content_sha256,
        },
        "plan": {
            "fingerprint": plan.fingerprint,
            "samples_per_shard": plan.samples_per_shard,
            "row_group_rows": plan.row_group_rows,
        },
        "grid": {**plan.grid.document(), "fingerprint": plan.grid.fingerprint()},
        "image_format": identities.encoder,
        "formats": [shard_format.value for shard_format in plan.formats],
        "environment": describe_environment(libraries),
        "noise": dict(contents.noise_by_axis),
        "variants": _variants(plan, stored, contents),
        "files": contents.files_table,
        "checksum": "",
    }
    manifest["checksum"] = manifest_checksum(manifest)
    return validate_manifest(manifest)


def _variants(plan: Plan, stored: pa.Table, contents: Contents) -> list[VariantDocument]:
    sums = stored.group_by("variant").aggregate([("bytes", "count"), ("bytes", "sum")])
    by_id = {row["variant"]: row for row in sums.to_pylist()}
    nothing = {"bytes_count": 0, "bytes_sum": 0}
    rows: list[VariantDocument] = []
    for variant in plan.grid.variants:
        own = by_id.get(variant.id, nothing)
        rows.append(
            {
                "id": variant.id,
                "slug": variant.slug,
                "decoder": plan.identities.decoders[variant.decoder],
                "resize": plan.identities.resizes[variant.resize],
                "color": plan.identities.colors[variant.color],
                **_optional(plan, variant),
                "samples": contents.samples,
                "files": own["bytes_count"],
                "bytes": own["bytes_sum"],
                **contents.noise_by_variant[variant.id],
            }
        )
    return rows


def _optional(plan: Plan, variant: Variant) -> OptionalAxes:
    """Return source and geometry of a variant, where its id names them."""
    optional: OptionalAxes = {}
    if variant.source != ORIGINAL:
        optional["source"] = plan.identities.sources[variant.source]
    if variant.geometry != FIRST_GEOMETRY:
        optional["geometry"] = variant.geometry
    return optional
