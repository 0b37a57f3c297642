"""One source image to a sample with its image in every variant, or to a reject."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sysnoise.manifests.tables import (
    DatasetKind,
    DecoderStatus,
    RejectReason,
    UnsupportedKinds,
    geometry_row,
)
from sysnoise.pipelines.errors import ShardError
from sysnoise.pipelines.planning.plan import Plan
from sysnoise.pipelines.shards.writers.samples import SampleMetadata
from sysnoise.transforms.codecs.decoders import DECODERS
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.codecs.encoders import EncodeError, encode
from sysnoise.transforms.codecs.exif import Exif
from sysnoise.transforms.difference import Difference, difference
from sysnoise.transforms.fanout import Decoded, decode_all, fan_out
from sysnoise.transforms.pixels import Pixels, size_of
from sysnoise.transforms.resizers import ResizeError
from sysnoise.transforms.targets import Annotation, map_annotation


@dataclass(frozen=True)
class Rendered:
    """One variant of one sample.

    Attributes:
        image: the encoded image; empty where no file needs it.
        digest: its pixel digest.
        difference: from the baseline; None for a fallback, or for another size.
    """

    image: bytes
    digest: bytes
    difference: Difference | None


@dataclass(frozen=True)
class MadeSample:
    """A sample and what every variant holds of it.

    Attributes:
        sample: what is stored beside the pixels.
        variants: by position in the grid.
        decoders: status by decoder.
    """

    sample: SampleMetadata
    variants: list[Rendered]
    decoders: Mapping[str, DecoderStatus]


@dataclass(frozen=True)
class Reject:
    """A sample that is left out of all variants.

    Attributes:
        key, source_name, source_sha256, targets: as in :class:`SampleMetadata`.
        reason: of a closed list.
        message: what was expected and found.
        decoders: status by decoder; empty where none was tried.
    """

    key: str
    source_name: str
    source_sha256: str
    targets: Mapping[str, Any]
    reason: RejectReason
    message: str
    decoders: Mapping[str, DecoderStatus]


class _RejectError(Exception):
    """Why the sample at hand is rejected."""

    def __init__(self, reason: RejectReason, message: str, decoded: Decoded | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.decoded = decoded


def make_sample(
    plan: Plan,
    source: Mapping[str, Any],
    data: bytes,
    stored: Mapping[int, Rendered] = MappingProxyType({}),
) -> MadeSample | Reject:
    """Decode, fan out and encode one source image; not the last where the plan has no formats.

    Args:
        plan: of the run.
        source: a row of the table of sources.
        data: the bytes of the image file.
        stored: variants that need not be made, by position in the grid; by default none.

    Raises:
        ShardError: the baseline is stored with other pixels than it has here.
    """
    key, name, digest = source["key"], source["name"], hashlib.sha256(data).hexdigest()
    targets, image = _targets(plan, source), EncodedImage(data)
    try:
        _refuse_too_large(plan, key, image)
        decoded = _decode(plan, source, image)
        variants = _render(plan, key, decoded, stored)
    except _RejectError as error:
        statuses = _statuses(error.decoded) if error.decoded else {}
        return Reject(key, name, digest, targets, error.reason, str(error), statuses)
    geometry = _geometry(plan, key, decoded, image.header.orientation)
    annotations = _annotations(plan, source, decoded)
    sample = SampleMetadata(key, name, digest, targets, geometry, annotations)
    return MadeSample(sample, variants, _statuses(decoded))


def crashed_sample(plan: Plan, source: Mapping[str, Any], data: bytes) -> Reject:
    """Return the reject of a sample that a worker does not survive; arguments as above."""
    return Reject(
        source["key"],
        source["name"],
        hashlib.sha256(data).hexdigest(),
        _targets(plan, source),
        RejectReason.CRASHED,
        "a library crashed on it, or the system ended the worker that made it, more than once",
        {},
    )


def _refuse_too_large(plan: Plan, key: str, image: EncodedImage) -> None:
    """Refuse an image that would not fit, as stored or as resized, before it is decoded."""
    try:
        header = image.header
    except DecodeError as error:
        raise _RejectError(RejectReason.DECODE_FAILED, str(error)) from error
    placement = plan.grid.place(header.size, key)
    for what, (width, height) in (
        ("the image has", header.size),
        ("it would be resized to", placement.resized),
    ):
        if width * height > plan.max_pixels:
            raise _RejectError(
                RejectReason.TOO_LARGE,
                f"{what} {width} x {height} pixels, the limit is {plan.max_pixels} in all",
            )


def _decode(plan: Plan, source: Mapping[str, Any], image: EncodedImage) -> Decoded:
    decoded = decode_all(plan.grid, image)
    if decoded.errors:
        message = "; ".join(map(str, decoded.errors.values()))
        raise _RejectError(RejectReason.DECODE_FAILED, message, decoded)
    if decoded.fallbacks and plan.unsupported is UnsupportedKinds.REJECT:
        message = "; ".join(map(str, decoded.fallbacks.values()))
        raise _RejectError(RejectReason.UNSUPPORTED_KIND, message, decoded)
    mismatch = _size_mismatch(source, decoded.images)
    if mismatch:
        raise _RejectError(RejectReason.SIZE_MISMATCH, mismatch, decoded)
    return decoded


def _render(
    plan: Plan, key: str, decoded: Decoded, stored: Mapping[int, Rendered]
) -> list[Rendered]:
    try:
        return _render_all(plan, key, decoded, stored)
    except (ResizeError, EncodeError) as error:
        raise _RejectError(RejectReason.NOT_RENDERED, str(error), decoded) from error


def _render_all(
    plan: Plan, key: str, decoded: Decoded, stored: Mapping[int, Rendered]
) -> list[Rendered]:
    """Compute, compare and encode every variant that is not stored; equal pixels only once."""
    variants = plan.grid.variants
    rendered: dict[int, Rendered] = {}
    encoded = {each.digest: each.image for each in stored.values() if each.image}
    baseline: Pixels | None = None
    missing = set(range(len(variants))) - stored.keys()
    for rendering in fan_out(plan.grid, decoded.images, key, missing):
        pixels = rendering.pixels
        if baseline is None:  # The first one holds it.
            baseline = pixels
            _refuse_other_baseline(plan, key, rendering.digest, stored)
            if missing.isdisjoint(rendering.variants):
                continue
        stands_apart = difference(pixels, baseline) if pixels.shape == baseline.shape else None
        if rendering.digest not in encoded:
            encoded[rendering.digest] = encode(plan.image_format, pixels) if plan.formats else b""
        for position in rendering.variants:
            fallback = variants[position].decoder in decoded.fallbacks
            rendered[position] = Rendered(
                encoded[rendering.digest], rendering.digest, None if fallback else stands_apart
            )
    rendered.update(stored)
    return [rendered[position] for position in range(len(variants))]


def _refuse_other_baseline(
    plan: Plan, key: str, digest: bytes, stored: Mapping[int, Rendered]
) -> None:
    earlier = stored.get(plan.grid.variants.index(plan.grid.baseline))
    if earlier is not None and earlier.digest != digest:
        raise ShardError(
            f"sample {key}: the set holds other pixels of {plan.grid.baseline.id} than this "
            "machine makes; make the larger set whole, in another output"
        )


def _statuses(decoded: Decoded) -> dict[str, DecoderStatus]:
    return {
        **dict.fromkeys(decoded.images, DecoderStatus.OK),
        **dict.fromkeys(decoded.fallbacks, DecoderStatus.FALLBACK),
        **dict.fromkeys(decoded.errors, DecoderStatus.FAILED),
    }


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
    plan: Plan, key: str, decoded: Decoded, orientation: int
) -> dict[str, dict[str, Any]]:
    """Return the geometry of stored pixels and, where a decoder applies EXIF, of upright ones."""
    columns = {"geometry": decoded.images[plan.grid.baseline.decoder]}
    for name, pixels in decoded.images.items():
        if DECODERS[name].exif is Exif.APPLIED and name not in decoded.fallbacks:
            columns["geometry_exif"] = pixels
    return {
        column: geometry_row(plan.grid.place(size_of(pixels), key), orientation)
        for column, pixels in columns.items()
    }


def _annotations(
    plan: Plan, source: Mapping[str, Any], decoded: Decoded
) -> list[Annotation] | None:
    if source["annotations"] is None:
        return None
    baseline = decoded.images[plan.grid.baseline.decoder]
    placement = plan.grid.place(size_of(baseline), source["key"])
    return [map_annotation(each, placement) for each in json.loads(source["annotations"])]
