"""The manifest of a finished set: its type, and how it is read.

``manifest.schema.json`` says what each field means, and is what a manifest is checked against; the
types here follow it.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict, cast

import msgspec

from sysnoise.manifests.errors import ManifestError
from sysnoise.manifests.json_documents import DocumentError, parse_json
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.schema import manifest_problems
from sysnoise.transforms.difference import DifferenceDocument
from sysnoise.transforms.digests import canonical_sha256
from sysnoise.transforms.documents import GridDocument
from sysnoise.transforms.libraries import Build
from sysnoise.transforms.methods import MethodIdentity


class GeneratorDocument(TypedDict):
    """The software that made a set."""

    name: str
    version: str


class ClassDocument(TypedDict):
    """A class of ImageNet, as far as the source knows it."""

    wnid: str | None
    name: str | None


class DatasetDocument(TypedDict):
    """What a set was made from; ``classes`` are ImageNet's, ``categories`` COCO's."""

    kind: Literal["imagenet", "coco"]
    split: str
    classes: NotRequired[list[ClassDocument]]
    categories: NotRequired[list[dict[str, Any]]]


class Counts(TypedDict):
    """How much there is of everything in a set."""

    sources: int
    samples: int
    rejects: int
    variants: int
    shards: int
    images: int
    files: int
    bytes: int


class SourceDocument(TypedDict):
    """Fingerprints of the source."""

    list_sha256: str
    content_sha256: str


class PlanSummary(TypedDict):
    """How the samples are distributed over shards."""

    fingerprint: str
    samples_per_shard: int
    row_group_rows: int


class CpuDocument(TypedDict):
    """The facts of a CPU that choose code paths."""

    architecture: str
    features: list[str]


class EnvironmentDocument(TypedDict):
    """The software and machine that made a set, as far as they can decide its bytes."""

    os: dict[str, str]
    cpu: CpuDocument
    python: str
    packages: dict[str, str]
    libraries: dict[str, Build]


class FingerprintedGrid(GridDocument):
    """A grid with the fingerprint of everything but its name."""

    fingerprint: str


class AxisNoise(DifferenceDocument):
    """The pooled difference of the variants that differ from the baseline in one axis alone."""

    variants: int


class MostLike(TypedDict):
    """The earlier variant with the same pixels on most images, and their number and share."""

    variant: str
    images: int
    share: float


class OptionalAxes(TypedDict):
    """The axes of a variant that are left out where its id does not name them."""

    source: NotRequired[MethodIdentity]
    geometry: NotRequired[str]


class VariantDocument(OptionalAxes):
    """A variant of a set."""

    id: str
    slug: str
    decoder: MethodIdentity
    resize: MethodIdentity
    color: MethodIdentity
    samples: int
    files: int
    bytes: int
    difference: DifferenceDocument
    most_like: MostLike | None


def variant_methods(variant: VariantDocument) -> dict[str, MethodIdentity]:
    """Return a variant's methods by axis; without the source where the file is as it is."""
    methods = {
        "decoder": variant["decoder"],
        "resize": variant["resize"],
        "color": variant["color"],
    }
    if "source" in variant:
        methods["source"] = variant["source"]
    return methods


class NamedFile(TypedDict):
    """A file that the manifest names."""

    path: str
    bytes: int
    sha256: str


class Manifest(TypedDict):
    """The content of ``manifest.json``."""

    version: int
    generator: GeneratorDocument
    dataset: DatasetDocument
    counts: Counts
    source: SourceDocument
    plan: PlanSummary
    grid: FingerprintedGrid
    image_format: MethodIdentity
    formats: list[str]
    environment: EnvironmentDocument
    noise: dict[str, AxisNoise]
    variants: list[VariantDocument]
    files: NamedFile
    checksum: str


def dataset_document(plan: Plan) -> DatasetDocument:
    """Return the manifest's description of the dataset that a plan names."""
    dataset: DatasetDocument = {"kind": plan.kind.value, "split": plan.split}
    if plan.classes:
        dataset["classes"] = msgspec.to_builtins(list(plan.classes))
    if "categories" in plan.coco:
        dataset["categories"] = plan.coco["categories"]
    return dataset


def manifest_checksum(manifest: Manifest) -> str:
    """Return the sha256, in hexadecimal, of everything in a manifest except its checksum."""
    content = {name: value for name, value in manifest.items() if name != "checksum"}
    return canonical_sha256(content)


def validate_manifest(document: Any) -> Manifest:
    """Return a parsed manifest as its type.

    Args:
        document: the parsed JSON.

    Raises:
        ManifestError: it does not follow the schema; the message has every problem, sorted by its
            place.
    """
    problems = manifest_problems(document)
    if problems:
        raise ManifestError("the manifest does not follow its schema:\n" + "\n".join(problems))
    return cast("Manifest", document)


def read_manifest(data: bytes) -> Manifest:
    """Read the content of ``manifest.json``.

    Raises:
        ManifestError: it is not JSON, does not follow the schema, or was edited.
    """
    try:
        document = parse_json(data)
    except DocumentError as error:
        raise ManifestError(f"the manifest cannot be read: {error}") from error
    manifest = validate_manifest(document)
    found = manifest_checksum(manifest)
    if manifest["checksum"] != found:
        raise ManifestError(
            f"the manifest was edited: its checksum is {manifest['checksum']}, that of its content "
            f"is {found}"
        )
    _check_shards(manifest)
    return manifest


def _check_shards(manifest: Manifest) -> None:
    """Refuse a number of shards that is not the one of the samples."""
    shards, sources = manifest["counts"]["shards"], manifest["counts"]["sources"]
    per_shard = manifest["plan"]["samples_per_shard"]
    if shards != -(-sources // max(1, per_shard)):
        raise ManifestError(
            f"the manifest counts {shards} shards for {sources} sources, {per_shard} per shard"
        )


def content_line(source_sha256: str | None, key: str) -> bytes:
    """Return what a sample adds to the sha256 of the contents of all source images.

    Args:
        source_sha256: sha256 of the source file, in hexadecimal; None where it was not read.
        key: the sample's key.
    """
    return f"{source_sha256 or ''}  {key}\n".encode()
