"""The description of a set in Croissant 1.1, which search engines and data libraries read.

Sources: the format, http://mlcommons.org/croissant/1.1, and its terms of responsible AI,
http://mlcommons.org/croissant/RAI/1.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from sysnoise.manifests.held import HeldSet
from sysnoise.manifests.json_documents import parse_json
from sysnoise.manifests.layout import PICTURE, SAMPLES, ShardFormat
from sysnoise.manifests.publication import (
    Dataset,
    Publication,
    bibtex,
    check_publication,
    dataset_of,
    given_license,
    is_mail,
    license_url,
)
from sysnoise.manifests.tables import ANNOTATIONS, DatasetKind, geometry_fields, target_fields
from sysnoise.manifests.title import is_whole_split, title_of
from sysnoise.transforms.codecs.exif import Exif
from sysnoise.transforms.documents import orient_of

CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]

# fmt: off
_TERMS = (
    "annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty",
    "excludes", "extract", "field", "fileObject", "fileProperty", "fileSet", "format",
    "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path",
    "readLines", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
    "sdVersion", "separator", "source", "subField", "transform", "unArchive", "value",
)
# fmt: on

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}

_ENCODINGS = {
    ShardFormat.WEBDATASET: "application/x-tar",
    ShardFormat.PARQUET: "application/x-parquet",
}
_OPENED_BY_PILLOW = ("png", "webp")

Document = dict[str, Any]


def croissant(held: HeldSet, publication: Publication) -> Document:
    """Return the document of ``croissant.json``."""
    dataset = dataset_of(held.manifest)
    published = {"datePublished": publication.date, "url": publication.url}
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": title_of(held.manifest, publication),
        "description": held.summary,
        "license": license_url(publication, dataset),
        "citeAs": bibtex(publication, dataset),
        "creator": _creator(publication),
        "version": publication.version,
        **{name: value for name, value in published.items() if value is not None},
        **_picture(publication),
        "keywords": ["SysNoise", "robustness", *_named(held, dataset), dataset.task],
        **({"prov:wasDerivedFrom": {"@id": dataset.home}} if _named(held, dataset) else {}),
        **_responsible_ai(held),
        "distribution": list(_distribution(held)),
        "recordSet": list(_record_sets(held)),
    }


def _named(held: HeldSet, dataset: Dataset) -> list[str]:
    """Return the name of the dataset, where the set is of a whole split of it."""
    return [dataset.title] if is_whole_split(held.manifest) else []


_NO_AUTHOR = {"@type": "sc:Organization", "name": "SysNoise"}
"""The creator of a set without an author, since the format recommends one."""


def _creator(publication: Publication) -> Document:
    if publication.author is None:
        return _NO_AUTHOR
    contact = publication.contact
    address = {} if contact is None else {"email" if is_mail(contact) else "url": contact}
    return {"@type": "sc:Person", "name": publication.author, **address}


def _picture(publication: Publication) -> Document:
    if publication.picture is None:
        return {}
    return {
        "image": {"@type": "sc:ImageObject", "name": publication.picture, "contentUrl": PICTURE}
    }


def publication_of(data: bytes) -> Publication:
    """Return what the publisher gave, from the content of a ``croissant.json``.

    Raises:
        ValueError: it is none.
    """
    try:
        document = parse_json(data)
        creator = document.get("creator", _NO_AUTHOR)
        author = {} if creator == _NO_AUTHOR else creator
        publication = Publication(
            license=given_license(document["license"]),
            citation=document["citeAs"],
            date=document.get("datePublished"),
            version=document["version"],
            url=document.get("url"),
            title=document.get("name"),
            author=author.get("name"),
            contact=author.get("email", author.get("url")),
            picture=document.get("image", {}).get("name"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the description of a set: {error!r}") from error
    check_publication(publication)
    return publication


def _responsible_ai(held: HeldSet) -> Document:
    manifest = held.manifest
    counts = manifest["counts"]
    named = _named(held, dataset_of(manifest))
    title = named[0] if named else "the source images"
    rejected = f"{counts['rejects']} of {counts['sources']} source images"
    return {
        "rai:dataCollection": "No image was collected for this set: all were read "
        f"{held.origin}, decoded, resized and color-converted by the libraries that the manifest "
        "names.",
        "rai:dataCollectionType": ["Secondary Data Analysis"],
        "rai:dataCollectionMissingData": f"{rejected} are left out of all variants; "
        "rejects.parquet gives the reasons.",
        "rai:dataPreprocessingProtocol": [
            "decoder, resize and color of each variant, their libraries and codec builds: "
            "manifest.json"
        ],
        "rai:dataUseCases": [
            "Testing: how much a trained network loses when the deployed system decodes, resizes "
            "or color-converts images a little differently from the training system."
        ],
        "rai:dataLimitations": [
            "The noise is that of the recorded library builds on the recorded CPU features; other "
            "builds give other pixels.",
            "Only decoding, resizing and color conversion vary, not the noise of inference.",
        ],
        "rai:dataBiases": [f"Those of {title}: its choice of images, classes and annotators."],
        "rai:personalSensitiveInformation": [
            f"{title}'s photographs come from the web and show people, among other things."
            if named
            else "The source images may show people, among other things."
        ],
    }


def _distribution(held: HeldSet) -> Iterator[Document]:
    for variant in held.variants:
        for shard_format in held.formats:
            yield _file_set(
                _file_set_id(variant["slug"], shard_format),
                f"the {shard_format.value} shards of {variant['id']}",
                _ENCODINGS[shard_format],
                held.places(variant["id"], shard_format),
            )
    yield _file_set(
        _file_set_id(SAMPLES, ShardFormat.PARQUET),
        "the tables of samples",
        _ENCODINGS[ShardFormat.PARQUET],
        [f"{SAMPLES}/*.parquet"],
    )


def _file_set_id(slug: str, shard_format: ShardFormat) -> str:
    return f"{slug}-{shard_format.value}"


def _file_set(name: str, description: str, encoding: str, includes: Sequence[str]) -> Document:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": description,
        "encodingFormat": encoding,
        "includes": includes[0] if len(includes) == 1 else list(includes),
    }


def _record_sets(held: HeldSet) -> Iterator[Document]:
    manifest = held.manifest
    kind = DatasetKind(manifest["dataset"]["kind"])
    if ShardFormat.PARQUET in held.formats:
        fields = [pa.field("key", pa.string()), *target_fields(kind)]
        annotations = [pa.field("annotations", ANNOTATIONS)] if kind is DatasetKind.COCO else []
        for variant in held.variants:
            slug = variant["slug"]
            source = _file_set_id(slug, ShardFormat.PARQUET)
            yield _record_set(
                slug,
                f"the samples of {variant['id']}",
                [
                    _image_field(slug, source, manifest["image_format"]["name"]),
                    *(_field(slug, source, column) for column in (*fields, *annotations)),
                ],
            )
    digests = [pa.field(variant["slug"], pa.binary(32)) for variant in manifest["variants"]]
    text = ("source_name", "source_sha256", "status")
    columns = [
        pa.field("key", pa.string()),
        *target_fields(kind),
        *(pa.field(name, pa.string()) for name in text),
        *geometry_fields(Exif.IGNORED, orient_of(manifest["grid"])),
        *digests,
    ]
    yield _record_set(
        SAMPLES,
        "one record per source image, with the digest of its pixels in each variant; "
        "a rejected image has no digests",
        [_field(SAMPLES, _file_set_id(SAMPLES, ShardFormat.PARQUET), column) for column in columns],
    )


def _record_set(name: str, description: str, fields: Sequence[Document]) -> Document:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "key": {"@id": f"{name}/key"},
        "field": list(fields),
    }


def _image_field(record_set: str, file_set: str, image_format: str) -> Document:
    """Describe the image column; of formats that readers cannot open, as the encoded bytes."""
    data_type = "sc:ImageObject" if image_format in _OPENED_BY_PILLOW else "sc:Text"
    source = _source(file_set, "image", "bytes")
    return {
        **_named_field(f"{record_set}/image", data_type),
        "description": f"encoded as {image_format}",
        "source": source,
    }


def _field(record_set: str, file_set: str, column: pa.Field) -> Document:
    """Describe a column; each field of a struct, or of a list of structs, by itself."""
    name = f"{record_set}/{column.name}"
    data_type = column.type
    is_list = pa.types.is_list(data_type)
    inner = data_type.value_type if is_list else data_type
    array = {"isArray": True} if is_list else {}
    if not pa.types.is_struct(inner):
        return {
            **_named_field(name, _data_type(inner)),
            **array,
            "source": _source(file_set, column.name),
        }
    return {
        "@type": "cr:Field",
        "@id": name,
        "name": column.name,
        **array,
        "subField": [
            {
                **_named_field(f"{name}/{field.name}", _data_type(field.type)),
                "source": _source(file_set, column.name, field.name),
            }
            for field in inner
        ],
    }


def _named_field(name: str, data_type: str) -> Document:
    return {
        "@type": "cr:Field",
        "@id": name,
        "name": name.rpartition("/")[-1],
        "dataType": data_type,
    }


def _source(file_set: str, column: str, inner: str | None = None) -> Document:
    transform = {} if inner is None else {"transform": {"jsonPath": inner}}
    return {"fileSet": {"@id": file_set}, "extract": {"column": column}, **transform}


def _data_type(data_type: pa.DataType) -> str:
    if pa.types.is_list(data_type):
        return _data_type(data_type.value_type)
    if pa.types.is_integer(data_type):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(data_type) else "sc:Text"
