"""The manifest: the index of a finished set."""

from __future__ import annotations

import importlib.metadata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from manifests.checksums import manifest_checksum
from manifests.environment import describe_environment
from manifests.layout import FILES
from manifests.schema import MANIFEST_VERSION, validate_manifest


def build_manifest(
    plan: Mapping[str, Any],
    variants: Sequence[tuple[str, str]],
    grid_fingerprint: str,
    counts: Mapping[str, int],
    content_sha256: str,
    files: Sequence[Mapping[str, Any]],
    files_table: Mapping[str, Any],
    noise_by_variant: Mapping[str, Mapping[str, Any]],
    noise_by_axis: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Compose the manifest of a finished set and check it against its schema.

    Args:
        plan: the document of the plan.
        variants: id and slug of each variant, in grid order.
        grid_fingerprint: of everything in the grid that decides pixels.
        counts: ``samples`` and ``rejects``.
        content_sha256: fingerprint of the source files' bytes.
        files: the rows of the files table.
        files_table: length and sha256 of the files table itself.
        noise_by_variant: ``difference`` and ``most_like`` of each variant, by id.
        noise_by_axis: the pooled difference of each axis.

    Raises:
        ManifestError: the result does not follow the schema.
    """
    identities = plan["identities"]
    libraries = {
        method["library"]
        for axis in ("decoders", "resizes", "colors")
        for method in identities[axis].values()
    }
    stored = [file for file in files if file.get("same_as") is None]
    document = {
        "version": MANIFEST_VERSION,
        "generator": {"name": "sysnoise", "version": importlib.metadata.version("sysnoise")},
        "dataset": _dataset(plan),
        "counts": {
            "sources": plan["samples"],
            "samples": counts["samples"],
            "rejects": counts["rejects"],
            "variants": len(variants),
            "shards": plan["shards"],
            "images": counts["samples"] * len(variants) * len(plan["formats"]),
            "files": len(stored),
            "bytes": sum(file["bytes"] for file in stored),
        },
        "source": {"list_sha256": plan["source_sha256"], "content_sha256": content_sha256},
        "plan": {
            name: plan[name] for name in ("fingerprint", "samples_per_shard", "row_group_rows")
        },
        "grid": {**plan["grid"], "fingerprint": grid_fingerprint},
        "image_format": identities["encoder"],
        "formats": plan["formats"],
        "environment": describe_environment({*libraries, identities["encoder"]["library"]}),
        "noise": dict(noise_by_axis),
        "variants": _variants(variants, identities, counts["samples"], stored, noise_by_variant),
        "files": {"path": FILES, **files_table},
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
    variants: Sequence[tuple[str, str]],
    identities: Mapping[str, Mapping[str, Any]],
    samples: int,
    files: Iterable[Mapping[str, Any]],
    noise: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for file in files:
        if file["variant"] is not None:
            counts[file["variant"]] += 1
            sizes[file["variant"]] += file["bytes"]
    rows = []
    for variant_id, slug in variants:
        decoder, resize, color = variant_id.split("/")
        rows.append(
            {
                "id": variant_id,
                "slug": slug,
                "decoder": identities["decoders"][decoder],
                "resize": identities["resizes"][resize],
                "color": identities["colors"][color],
                "samples": samples,
                "files": counts[variant_id],
                "bytes": sizes[variant_id],
                **noise[variant_id],
            }
        )
    return rows
