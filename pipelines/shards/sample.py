"""Making a sample with its image in every variant, or a reject, from one source image."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sysnoise.manifests.bounded import FileTooLargeError
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.tables import (
    DecoderStatus,
    GeometryRow,
    RejectReason,
    Targets,
    UnsupportedKinds,
    geometry_row,
)
from sysnoise.pipelines.errors import ShardError
from sysnoise.pipelines.readers.sources import Source
from sysnoise.pipelines.shards.writers.interface import SampleMetadata, Samples
from sysnoise.transforms.codecs.decoders import DECODERS
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage, Header
from sysnoise.transforms.codecs.encoders import EncodeError, encode
from sysnoise.transforms.codecs.exif import Exif, Orient
from sysnoise.transforms.difference import Difference
from sysnoise.transforms.fanout import Decoded, decode_all, fan_out
from sysnoise.transforms.pixel_difference import difference
from sysnoise.transforms.pixels import Pixels, size_of
from sysnoise.transforms.resizers import ResizeError
from sysnoise.transforms.targets import Annotation, map_annotation
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY


@dataclass(frozen=True)
class Rendered:
    """One variant of one sample.

    Attributes:
        image: the encoded image; empty where no file needs it.
        digest: the pixel digest of the image.
        difference: the difference from the baseline; None for a fallback, or for another size.
    """

    image: bytes
    digest: bytes
    difference: Difference | None


@dataclass(frozen=True)
class MadeSample:
    """A sample and its images.

    Attributes:
        samples: what is stored besides the pixels, by the name of the geometry.
        variants: the image of each variant, by position in the grid.
        decoders: status by decoder.
    """

    samples: Samples
    variants: list[Rendered]
    decoders: Mapping[str, DecoderStatus]

    @property
    def first(self) -> SampleMetadata:
        """What is stored besides the pixels of the grid's first geometry."""
        return self.samples[FIRST_GEOMETRY]


@dataclass(frozen=True)
class Reject:
    """A sample that is left out of all variants.

    Attributes:
        key, source_name, targets: the same as in :class:`SampleMetadata`.
        source_sha256: sha256 of the source file, in hexadecimal; None where it was not read.
        reason: the reason.
        message: what was expected and found.
        decoders: status by decoder; empty where none was tried.
    """

    key: str
    source_name: str
    source_sha256: str | None
    targets: Targets
    reason: RejectReason
    message: str
    decoders: Mapping[str, DecoderStatus]


@dataclass(frozen=True)
class _Refusal:
    """Why a sample is rejected, and what the decoders returned for it, if they were tried."""

    reason: RejectReason
    message: str
    decoded: Decoded | None = None


def make_sample(
    plan: Plan,
    source: Source,
    data: bytes,
    stored_variants: Mapping[int, Rendered] = MappingProxyType({}),
) -> MadeSample | Reject:
    """Decode, fan out and encode one source image; without formats, nothing is encoded.

    Args:
        plan: the plan of the run.
        source: the source image.
        data: the bytes of the image file.
        stored_variants: variants that the set has already, by position in the grid; by default
            none.

    Raises:
        ShardError: the stored baseline has other pixels than this machine makes.
    """
    image = EncodedImage(data)
    decoded = _too_large(plan, source.key, image) or _decode(plan, source, image)
    if isinstance(decoded, _Refusal):
        return _rejected(plan, source, data, decoded)
    try:
        variants = _render_all(plan, source.key, decoded, stored_variants)
    except (ResizeError, EncodeError) as error:
        refusal = _Refusal(RejectReason.NOT_RENDERED, str(error), decoded)
        return _rejected(plan, source, data, refusal)
    first = SampleMetadata(
        source.key,
        source.name,
        hashlib.sha256(data).hexdigest(),
        _targets(plan, source),
        _geometry(plan, source.key, decoded, image.header),
        _annotations(plan, source, decoded),
    )
    others = {
        name: _placed(plan, source, decoded, image, first, name)
        for name in plan.grid.geometry_names[1:]
    }
    return MadeSample({FIRST_GEOMETRY: first, **others}, variants, _statuses(decoded))


def _placed(
    plan: Plan,
    source: Source,
    decoded: Decoded,
    image: EncodedImage,
    first: SampleMetadata,
    geometry: str,
) -> SampleMetadata:
    """Return what is stored besides the pixels of another geometry than the grid's first."""
    grid = plan.grid
    placement = grid.place(size_of(decoded.images[grid.baseline.decoder]), source.key, geometry)
    row = geometry_row(placement, image.header.orientation, grid.orient)
    annotations = _annotations(plan, source, decoded, geometry)
    return dataclasses.replace(first, geometry={"geometry": row}, annotations=annotations)


def crashed_sample(plan: Plan, source: Source, data: bytes | None) -> Reject:
    """Return the reject of a sample on which workers die.

    Args:
        plan: the plan of the run.
        source: the source image.
        data: the bytes of the image file; None where workers died of reading it.
    """
    message = "a library crashed on it, or the system ended the worker that made it, more than once"
    return _rejected(plan, source, data, _Refusal(RejectReason.CRASHED, message))


def too_long_sample(plan: Plan, source: Source, error: FileTooLargeError) -> Reject:
    """Return the reject of a sample whose file is longer than the plan allows."""
    message = f"the file of the image is too long: {error} (--max-bytes)"
    return _rejected(plan, source, None, _Refusal(RejectReason.TOO_LARGE, message))


def _rejected(plan: Plan, source: Source, data: bytes | None, refusal: _Refusal) -> Reject:
    return Reject(
        source.key,
        source.name,
        None if data is None else hashlib.sha256(data).hexdigest(),
        _targets(plan, source),
        refusal.reason,
        refusal.message,
        _statuses(refusal.decoded) if refusal.decoded else {},
    )


def _too_large(plan: Plan, key: str, image: EncodedImage) -> _Refusal | None:
    """Refuse an image that would not fit, as stored or as resized, before it is decoded."""
    try:
        header = image.header
    except DecodeError as error:
        return _Refusal(RejectReason.DECODE_FAILED, str(error))
    size = header.size_in(plan.grid.orient)
    placements = [plan.grid.place(size, key, name) for name in plan.grid.geometry_names]
    for what, (width, height) in (
        ("the image has", header.size),
        *(("it would be resized to", each.resized) for each in placements),
        *(("it would be padded to", each.output) for each in placements),
    ):
        if width * height > plan.max_pixels:
            return _Refusal(
                RejectReason.TOO_LARGE,
                f"{what} {width} x {height} pixels, the limit is {plan.max_pixels} in all",
            )
    return None


def _decode(plan: Plan, source: Source, image: EncodedImage) -> Decoded | _Refusal:
    decoded = decode_all(plan.grid, image, source.key)
    if decoded.errors:
        message = "; ".join(map(str, decoded.errors.values()))
        return _Refusal(RejectReason.DECODE_FAILED, message, decoded)
    if decoded.fallbacks and plan.unsupported is UnsupportedKinds.REJECT:
        message = "; ".join(map(str, decoded.fallbacks.values()))
        return _Refusal(RejectReason.UNSUPPORTED_KIND, message, decoded)
    mismatch = _size_mismatch(plan, source, decoded.images, image.header)
    if mismatch:
        return _Refusal(RejectReason.SIZE_MISMATCH, mismatch, decoded)
    return decoded


def _render_all(
    plan: Plan, key: str, decoded: Decoded, stored_variants: Mapping[int, Rendered]
) -> list[Rendered]:
    """Compute, compare and encode every variant that is not stored; equal pixels only once."""
    variants = plan.grid.variants
    rendered: dict[int, Rendered] = {}
    encoded = {each.digest: each.image for each in stored_variants.values() if each.image}
    baseline: Pixels | None = None
    missing = set(range(len(variants))) - stored_variants.keys()
    for rendering in fan_out(plan.grid, decoded, key, missing):
        pixels = rendering.pixels
        if baseline is None:  # The first rendering holds it.
            baseline = pixels
            _refuse_other_baseline(plan, key, rendering.digest, stored_variants)
            if missing.isdisjoint(rendering.variants):
                continue
        from_baseline = difference(pixels, baseline) if pixels.shape == baseline.shape else None
        if rendering.digest not in encoded:
            encoded[rendering.digest] = encode(plan.image_format, pixels) if plan.formats else b""
        for position in rendering.variants:
            fallback = variants[position].decoder in decoded.fallbacks
            rendered[position] = Rendered(
                encoded[rendering.digest], rendering.digest, None if fallback else from_baseline
            )
    rendered.update(stored_variants)
    return [rendered[position] for position in range(len(variants))]


def _refuse_other_baseline(
    plan: Plan, key: str, digest: bytes, stored_variants: Mapping[int, Rendered]
) -> None:
    earlier = stored_variants.get(plan.grid.variants.index(plan.grid.baseline))
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


def _targets(plan: Plan, source: Source) -> Targets:
    if source.coco_image is not None:
        return {"image_id": source.coco_image["id"]}
    label = source.label
    name = plan.classes[label].name if plan.classes and label is not None else None
    return {"label": label, "wnid": source.wnid, "class_name": name}


def _size_mismatch(
    plan: Plan, source: Source, images: Mapping[str, Pixels], header: Header
) -> str | None:
    """Describe how a decoded size differs from the one that COCO's boxes were drawn in."""
    if source.coco_image is None:
        return None
    expected = (source.coco_image["width"], source.coco_image["height"])
    for name, pixels in images.items():
        found = size_of(pixels)
        if found != expected:
            return (
                f"the annotations say {expected[0]} x {expected[1]} pixels, "
                f"{name} decodes {found.width} x {found.height}"
                + _other_orient(plan.grid.orient, header, expected)
            )
    return None


def _other_orient(orient: Orient, header: Header, expected: tuple[int, int]) -> str:
    """Say which ``--orient`` would give an image the annotated size, if the other one does."""
    other = Orient.UPRIGHT if orient is Orient.STORED else Orient.STORED
    if header.size_in(orient) == expected or header.size_in(other) != expected:
        return ""
    which = "with" if other is Orient.UPRIGHT else "without"
    return (
        f"; {which} its EXIF orientation {header.orientation} applied the sizes agree: give "
        f"--orient {other.value}"
    )


def _geometry(plan: Plan, key: str, decoded: Decoded, header: Header) -> dict[str, GeometryRow]:
    """Return the geometry of the images and, where some decoders alone turn theirs, of these."""
    grid = plan.grid
    columns = {"geometry": decoded.images[grid.baseline.decoder]}
    for name, pixels in decoded.images.items():
        turns = grid.exif is Exif.APPLIED and DECODERS[name].exif is Exif.APPLIED
        if turns and name not in decoded.fallbacks:
            columns["geometry_exif"] = pixels
    return {
        column: geometry_row(grid.place(size_of(pixels), key), header.orientation, grid.orient)
        for column, pixels in columns.items()
    }


def _annotations(
    plan: Plan, source: Source, decoded: Decoded, geometry: str = FIRST_GEOMETRY
) -> list[Annotation] | None:
    """Return COCO's objects in output pixels, where a shard file stores them."""
    if source.annotations is None or not plan.formats:
        return None
    baseline = decoded.images[plan.grid.baseline.decoder]
    placement = plan.grid.place(size_of(baseline), source.key, geometry)
    return [map_annotation(each, placement) for each in json.loads(source.annotations)]
