"""The manifest: the index of a finished set."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from sysnoise.manifests.checksums import manifest_checksum
from sysnoise.manifests.environment import describe_environment
from sysnoise.manifests.layout import FILES
from sysnoise.manifests.schema import MANIFEST_VERSION, validate_manifest

if TYPE_CHECKING:
    from sysnoise.transforms.grid import Grid


Manifest = dict[str, Any]


@dataclass(frozen=True)
class Contents:
    """What a finished set holds.

    Attributes:
        samples, rejects: their numbers.
        content_sha256: fingerprint of the source files' bytes.
        files: the files table, of :data:`sysnoise.manifests.tables.FILES_SCHEMA`.
        files_table: length and sha256 of the file that holds it.
        noise_by_variant: ``difference`` and ``most_like`` of each variant, by id, in grid order.
        noise_by_axis: the pooled difference of each axis.
    """

    samples: int
    rejects: int
    content_sha256: str
    files: pa.Table
    files_table: Mapping[str, Any]
    noise_by_variant: Mapping[str, Mapping[str, Any]]
    noise_by_axis: Mapping[str, Mapping[str, Any]]


def build_manifest(plan: Mapping[str, Any], grid: Grid, contents: Contents) -> dict[str, Any]:
    """Compose the manifest of a finished set and check it against its schema.

    Args:
        plan: the document of the plan.
        grid: the grid of the plan.
        contents: of the set.

    Raises:
        ManifestError: the result does not follow the schema.
    """
    identities = plan["identities"]
    libraries = {
        method["library"]
        for axis in ("decoders", "resizes", "colors")
        for method in identities[axis].values()
    }
    stored = contents.files.filter(pc.is_null(contents.files["same_as"]))
    document = {
        "version": MANIFEST_VERSION,
        "generator": {"name": "sysnoise", "version": importlib.metadata.version("sysnoise")},
        "dataset": _dataset(plan),
        "counts": {
            "sources": plan["samples"],
            "samples": contents.samples,
            "rejects": contents.rejects,
            "variants": len(grid.variants),
            "shards": plan["shards"],
            "images": contents.samples * len(grid.variants) * len(plan["formats"]),
            "files": stored.num_rows,
            "bytes": pc.sum(stored["bytes"]).as_py(),
        },
        "source": {"list_sha256": plan["source_sha256"], "content_sha256": contents.content_sha256},
        "plan": {
            name: plan[name] for name in ("fingerprint", "samples_per_shard", "row_group_rows")
        },
        "grid": {**plan["grid"], "fingerprint": grid.fingerprint()},
        "image_format": identities["encoder"],
        "formats": plan["formats"],
        "environment": describe_environment({*libraries, identities["encoder"]["library"]}),
        "noise": dict(contents.noise_by_axis),
        "variants": _variants(grid, identities, stored, contents),
        "files": {"path": FILES, **contents.files_table},
    }
    document["checksum"] = manifest_checksum(document)
    validate_manifest(document)
    return document


def _dataset(plan: Mapping[str, Any]) -> dict[str, Any]:
    dataset = {"kind": plan["dataset"], "split": plan["split"]}
    if plan["classes"]:
        dataset["classes"] = plan["classes"]
    if "categories" in plan["coco"]:
        dataset["categories"] = plan["coco"]["categories"]
    return dataset


def _variants(
    grid: Grid, identities: Mapping[str, Mapping[str, Any]], stored: pa.Table, contents: Contents
) -> list[dict[str, Any]]:
    sums = stored.group_by("variant").aggregate([("bytes", "count"), ("bytes", "sum")])
    by_id = {row["variant"]: row for row in sums.to_pylist()}
    nothing = {"bytes_count": 0, "bytes_sum": 0}
    rows = []
    for variant in grid.variants:
        own = by_id.get(variant.id, nothing)
        rows.append(
            {
                "id": variant.id,
                "slug": variant.slug,
                "decoder": identities["decoders"][variant.decoder],
                "resize": identities["resizes"][variant.resize],
                "color": identities["colors"][variant.color],
                "samples": contents.samples,
                "files": own["bytes_count"],
                "bytes": own["bytes_sum"],
                **contents.noise_by_variant[variant.id],
            }
        )
    return rows
