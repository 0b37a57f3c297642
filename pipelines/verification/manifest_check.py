"""Comparing the manifest with the plan, and with what all tables of samples add up to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from sysnoise.manifests import layout
from sysnoise.manifests.changes import field_changes
from sysnoise.manifests.json_documents import JsonObject
from sysnoise.manifests.manifest import Manifest, dataset_document, variant_methods
from sysnoise.manifests.plan import Plan
from sysnoise.pipelines.shards.noise import axis_noise, most_like, variant_noise
from sysnoise.pipelines.verification.facts import SetFacts
from sysnoise.pipelines.verification.statistics import ShardSums
from sysnoise.transforms.variant_ids import ORIGINAL, variant_names

_TOLERANCE = 1e-12
"""Relative difference of floating-point numbers that other builds of a C library may give."""


def plan_differences(manifest: Manifest, plan: Plan) -> Iterator[str]:
    """Yield where a manifest says something else than the plan of the set."""
    document: JsonObject = dict(manifest)
    for name, planned in _planned(plan).items():
        found = {field: document[name].get(field) for field in planned}
        if name in ("dataset", "image_format"):
            found = document[name]
        for change in field_changes(planned, found):
            yield f"{name}.{change} ({layout.PLAN} -> here)"
    if manifest["formats"] != [each.value for each in plan.formats]:
        yield f"has the formats {manifest['formats']}, not those of {layout.PLAN}"
    identities = plan.identities
    for variant in manifest["variants"]:
        names = variant_names(variant["id"])
        planned = {
            "decoder": identities.decoders.get(names["decoder"]),
            "resize": identities.resizes.get(names["resize"]),
            "color": identities.colors.get(names["color"]),
        }
        if names["source"] != ORIGINAL:
            planned["source"] = identities.sources.get(names["source"])
        if variant_methods(variant) != planned:
            yield f"gives {variant['id']!r} other methods than {layout.PLAN}"


def _planned(plan: Plan) -> Mapping[str, JsonObject]:
    """Return the fields of the manifest that the plan decides."""
    return {
        "dataset": {**dataset_document(plan)},
        "counts": {"sources": plan.samples, "shards": plan.shards},
        "source": {"list_sha256": plan.source_sha256},
        "plan": {
            "fingerprint": plan.fingerprint,
            "samples_per_shard": plan.samples_per_shard,
            "row_group_rows": plan.row_group_rows,
        },
        "grid": {**plan.grid_document},
        "image_format": {**plan.identities.encoder},
    }


def noise_differences(manifest: Manifest, facts: SetFacts, sums: ShardSums) -> Iterator[str]:
    """Yield where the noise in a manifest is not that of the tables of samples."""
    likes = [
        most_like(facts.variants, counts, sums.samples - sums.fallbacks.get(_decoder(variant), 0))
        for counts, variant in zip(sums.shared, facts.variants, strict=True)
    ]
    expected = variant_noise(facts.variants, sums.differences, likes)
    for variant in manifest["variants"]:
        noise = expected[variant["id"]]
        found = {"difference": variant["difference"], "most_like": variant["most_like"]}
        for name in _changed(dict(noise), found):
            yield f"says another {name} of {variant['id']} than the tables of samples give"
    axes = axis_noise(facts.variants, facts.baseline, sums.differences)
    for name in _changed(axes, manifest["noise"]):
        yield f"says another noise of the axis {name} than the tables of samples give"


def _decoder(variant: str) -> str:
    return variant.split("/")[0]


def _changed(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [name for name in one if not _is_same(one[name], other[name])]


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values of a manifest are the same, up to the last digits of fractions."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and not _changed(one, other)
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=_TOLERANCE)
    return bool(one == other and isinstance(other, bool) == isinstance(one, bool))
