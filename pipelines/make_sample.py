"""One source image to a sample with its image in every variant, or to a reject."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from manifests.tables import (
    DatasetKind,
    DecoderStatus,
    RejectReason,
    geometry_row,
)
from pipelines.shards import Plan
from pipelines.writers.samples import Sample
from transforms.arrays import Pixels
from transforms.decoders import DECODERS, DecodeError, Exif, exif_orientation
from transforms.encoders import encode
from transforms.fanout import decode_all, fan_out, grid_placement
from transforms.targets import map_annotation


@dataclass(frozen=True)
class MadeSample:
    """A sample and what every variant holds of it.

    Attributes:
        sample: what is stored beside the pixels.
        images: encoded image by position of the variant.
        digests: pixel digest by position of the variant.
        decoders: status by decoder.
    """

    sample: Sample
    images: list[bytes]
    digests: list[bytes]
    decoders: Mapping[str, DecoderStatus]


@dataclass(frozen=True)
class Reject:
    """A sample that is left out of all variants.

    Attributes:
        key, source_name, source_sha256: as in :class:`pipelines.writers.samples.Sample`.
        targets: as there.
        reason: of a closed list.
        message: what was expected and found.
        decoders: status by decoder.
    """

    key: str
    source_name: str
    source_sha256: str
    targets: Mapping[str, Any]
    reason: RejectReason
    message: str
    decoders: Mapping[str, DecoderStatus]


def make_sample(plan: Plan, source: Mapping[str, Any], data: bytes) -> MadeSample | Reject:
    """Decode, fan out and encode one source image.

    Args:
        plan: of the run.
        source: a row of the table of sources.
        data: the bytes of the image file.
    """
    grid = plan.grid
    images, errors = decode_all(grid, data)
    statuses = {
        name: DecoderStatus.FAILED if name in errors else DecoderStatus.OK for name in grid.decoders
    }
    digest = hashlib.sha256(data).hexdigest()

    def reject(reason: RejectReason, message: str) -> Reject:
        return Reject(
            source["key"],
            source["name"],
            digest,
            _targets(plan, source),
            reason,
            message,
            statuses,
        )

    if errors:
        return reject(RejectReason.DECODE_FAILED, "; ".join(map(str, errors.values())))
    mismatch = _size_mismatch(source, images)
    if mismatch:
        return reject(RejectReason.SIZE_MISMATCH, mismatch)
    try:
        geometry = _geometry(plan, source["key"], images, data)
    except DecodeError as error:
        return reject(RejectReason.DECODE_FAILED, str(error))
    sample = Sample(
        source["key"],
        source["name"],
        digest,
        _targets(plan, source),
        geometry,
        _annotations(plan, source, images),
    )
    return MadeSample(sample, *_encode_all(plan, source["key"], images), statuses)


def _encode_all(
    plan: Plan, key: str, images: Mapping[str, Pixels]
) -> tuple[list[bytes], list[bytes]]:
    """Return encoded image and pixel digest of each variant; equal pixels are encoded once."""
    count = len(plan.grid.variants)
    encoded, digests = [b""] * count, [b""] * count
    by_digest: dict[bytes, bytes] = {}
    for rendering in fan_out(plan.grid, images, key):
        if rendering.digest not in by_digest:
            by_digest[rendering.digest] = encode(plan.image_format, rendering.pixels)
        for position in rendering.variants:
            encoded[position] = by_digest[rendering.digest]
            digests[position] = rendering.digest
    return encoded, digests


def _targets(plan: Plan, source: Mapping[str, Any]) -> dict[str, Any]:
    if plan.kind is DatasetKind.COCO:
        return {"image_id": json.loads(source["image"])["id"]}
    label = source["label"]
    name = plan.classes[label].name if plan.classes else None
    return {"label": label, "wnid": source["wnid"], "class_name": name}


def _size_mismatch(source: Mapping[str, Any], images: Mapping[str, Pixels]) -> str | None:
    """Say how a decoded size differs from the one that COCO's boxes were drawn in."""
    if source["image"] is None:
        return None
    record = json.loads(source["image"])
    expected = (record["width"], record["height"])
    for name, pixels in images.items():
        found = (pixels.shape[1], pixels.shape[0])
        if found != expected:
            return (
                f"the annotations say {expected[0]} x {expected[1]} pixels, "
                f"{name} decodes {found[0]} x {found[1]}"
            )
    return None


def _geometry(
    plan: Plan, key: str, images: Mapping[str, Pixels], data: bytes
) -> dict[str, dict[str, Any]]:
    orientation = exif_orientation(data)
    by_policy = {DECODERS[name].exif: pixels for name, pixels in images.items()}
    names = {Exif.IGNORED: "geometry", Exif.APPLIED: "geometry_exif"}
    return {
        name: geometry_row(grid_placement(plan.grid, by_policy[policy], key), orientation)
        for policy, name in names.items()
        if policy in by_policy
    }


def _annotations(
    plan: Plan, source: Mapping[str, Any], images: Mapping[str, Pixels]
) -> list[dict[str, Any]] | None:
    if source["annotations"] is None:
        return None
    placement = grid_placement(plan.grid, next(iter(images.values())), source["key"])
    return [map_annotation(each, placement) for each in json.loads(source["annotations"])]
