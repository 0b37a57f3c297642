"""Odd annotations and images of COCO, and what is expected of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from sysnoise.manifests.tables import RejectReason
from tests.odd_files.images import cmyk, image, jpeg, turned
from tests.transforms.plain import saved

Annotation = dict[str, Any]
Document = dict[str, Any]

SIZE = (48, 32)
"""Width and height of the image that the annotations are of."""

LETTERBOX = 96
"""Side of the output: the image is doubled and stands under 16 rows of padding."""

TRIANGLE = [10, 5, 30, 5, 20, 25]


def crowd() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A mask of two parts, one of which touches the border."""
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[3:20, 5:30] = 1
    mask[25:, 40:] = 1
    return mask


def run_lengths(mask: np.ndarray[Any, np.dtype[np.uint8]]) -> list[int]:
    """Uncompressed COCO form: down each column in turn, the first run is of zeros."""
    counts, value = [0], 0
    for pixel in mask.T.ravel().tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


def rle(counts: list[int] | str | None = None, size: tuple[int, int] = SIZE) -> Annotation:
    counts = run_lengths(crowd()) if counts is None else counts
    return {"size": [size[1], size[0]], "counts": counts}


def compressed() -> str:
    text: str = coco_mask.encode(np.asfortranarray(crowd()))["counts"].decode()
    return text


def annotation(**changes: Any) -> Annotation:
    """An annotation like any other; a change to None leaves a field out."""
    fields = {
        "category_id": 17,
        "iscrowd": 0,
        "bbox": [10, 5, 20, 20],
        "area": 200,
        "segmentation": [TRIANGLE],
    } | changes
    return {name: value for name, value in fields.items() if value is not None}


ANNOTATIONS: Mapping[str, Annotation] = {
    "Ordinary": annotation(),
    "Crowd": annotation(iscrowd=1, segmentation=rle(), bbox=[5, 3, 43, 29]),
    "Crowd, compressed": annotation(iscrowd=1, segmentation=rle(compressed())),
    "Empty segmentation": annotation(segmentation=[]),
    "Without segmentation": annotation(segmentation=None),
    "Without `area`": annotation(area=None),
    "Without `iscrowd`": annotation(iscrowd=None),
    "Without `bbox`": annotation(bbox=None),
    "`iscrowd` false": annotation(iscrowd=False),
    "`iscrowd` true": annotation(iscrowd=True),
    "`area` and segmentation null": annotation() | {"area": None, "segmentation": None},
    "Box without width": annotation(bbox=[10, 5, 0, 20], area=0),
    "Box of negative height": annotation(bbox=[10, 25, 20, -20]),
    "Box outside of the image": annotation(bbox=[60, 5, 20, 20]),
    "Box larger than the image": annotation(bbox=[-10, -5, 100, 100]),
    "Outline outside of the image": annotation(segmentation=[[60, 5, 80, 5, 70, 25]]),
    "Outline of two points": annotation(segmentation=[[10, 5, 30, 25]]),
    "Outline without points": annotation(segmentation=[[], TRIANGLE]),
}
"""Annotations that are kept as they are, in output pixels."""


@dataclass(frozen=True)
class OddImage:
    """An odd image of a COCO set.

    Attributes:
        what: how it is odd.
        name: its ``file_name`` in the annotations.
        path: where it lies below the folder of images.
        data: the bytes.
        size: width and height that the annotations say.
        fallbacks: decoders that are not made for it.
        reason: why it is rejected; None where it is kept.
    """

    what: str
    name: str
    path: str
    data: bytes
    size: tuple[int, int] = SIZE
    fallbacks: tuple[str, ...] = ()
    reason: RejectReason | None = None


def odd_images() -> list[OddImage]:
    plain = jpeg(SIZE)
    no_cmyk = ("stb", "zune", "jpegli")
    no_jpeg = ("simplejpeg", "ffmpeg", *no_cmyk)
    turned_6 = turned("JPEG", 6)
    mismatch = RejectReason.SIZE_MISMATCH
    return [
        OddImage("With all of the annotations below", "objects.jpg", "objects.jpg", plain),
        OddImage("Without annotations", "nothing.jpg", "nothing.jpg", plain),
        OddImage("Grayscale", "gray.jpg", "gray.jpg", saved(image("L", SIZE), "JPEG")),
        OddImage("CMYK", "cmyk.jpg", "cmyk.jpg", saved(cmyk(), "JPEG"), (61, 43), no_cmyk),
        OddImage("PNG named .jpg", "p.jpg", "p.jpg", saved(image(size=SIZE), "PNG"), SIZE, no_jpeg),
        OddImage("1 x 5000", "slender.jpg", "slender.jpg", jpeg((1, 5000)), (1, 5000)),
        OddImage("EXIF orientation 6, annotated as stored", "o6.jpg", "o6.jpg", turned_6, (61, 43)),
        OddImage("File name in a folder", "val2017/a.jpg", "a.jpg", plain),
        OddImage("File name `../b.jpg`", "../b.jpg", "b.jpg", plain),
        OddImage("File name `/etc/c.jpg`", "/etc/c.jpg", "etc/c.jpg", plain),
        OddImage("Another size than annotated", "m.jpg", "m.jpg", plain, (48, 33), (), mismatch),
        OddImage(
            "EXIF orientation 6, annotated as turned",
            *("upright.jpg", "upright.jpg", turned_6, (43, 61), (), mismatch),
        ),
        OddImage("Truncated", "t.jpg", "t.jpg", plain[:-100], SIZE, (), RejectReason.DECODE_FAILED),
        OddImage(
            "Larger than the limit",
            *("large.jpg", "large.jpg", jpeg((2001, 2000)), (2001, 2000), ()),
            RejectReason.TOO_LARGE,
        ),
    ]


ODD_IMAGES = odd_images()


def document() -> Document:
    """The annotations of all odd images; those of :data:`ANNOTATIONS` are of the first."""
    images = [
        {"id": number, "file_name": odd.name, "width": odd.size[0], "height": odd.size[1]}
        for number, odd in enumerate(ODD_IMAGES, start=1)
    ]
    objects = [
        {"id": number, "image_id": 1, **each}
        for number, each in enumerate(ANNOTATIONS.values(), start=1)
    ]
    objects += [
        {"id": 100 + number, "image_id": number, **annotation(bbox=[0, 0, 1, 20])}
        for number in range(3, len(images) + 1)
    ]
    categories = [{"id": 17, "name": "cat"}]
    return {"images": images, "annotations": objects, "categories": categories}


def changed(**changes: Any) -> Callable[[Document], None]:
    """Change the first annotation."""

    def change(document: Document) -> None:
        document["annotations"][0] |= changes

    return change


def renamed(name: str) -> Callable[[Document], None]:
    """Change the file name of the first image."""

    def change(document: Document) -> None:
        document["images"][0]["file_name"] = name

    return change


REFUSED: Mapping[str, tuple[Callable[[Document], None], str]] = {
    "Image that is not there": (renamed("gone.jpg"), "1 annotated image(s) are not in"),
    "File name that leads to a file outside": (
        renamed("../secret.jpg"),
        "1 annotated image(s) are not in",
    ),
    "File name of a file elsewhere": (renamed("/etc/passwd"), "1 annotated image(s) are not in"),
    "Two images of one file": (
        renamed("./p.jpg"),
        "belong to more than one file name",
    ),
    "File name in another folder than the file": (
        renamed("deep/c.jpg"),
        "but files of their base names are, in other folders",
    ),
    "Annotation of an image that is not listed": (
        changed(image_id=999),
        "annotation 1 is of image 999, which is not listed",
    ),
    "Annotation of a category that is not listed": (
        changed(category_id=18),
        "annotation 1 is of category 18, which is not listed",
    ),
    "Annotation ids that are not unique": (changed(id=2), "annotation id 2 is listed twice"),
    "Box of three numbers": (changed(bbox=[1, 2, 3]), "bbox: expected four numbers"),
    "Box that is not a number": (
        changed(bbox=[float("nan"), 2, 3, 4]),
        "NaN is not a JSON number",
    ),
    "`area` as a text": (changed(area="200"), "area: expected a number, found '200'"),
    "`iscrowd` 2": (changed(iscrowd=2), "iscrowd: expected 0 or 1"),
    "Outline with half a point": (
        changed(segmentation=[[*TRIANGLE, 1]]),
        "segmentation: expected outlines",
    ),
    "Outline outside of all images": (
        changed(segmentation=[[1e300, 0, 0, 0, 0, 1e300]]),
        "segmentation: expected outlines",
    ),
    "Run lengths of another size": (
        changed(segmentation=rle(size=(32, 48))),
        "segmentation: expected run lengths of 32 x 48 pixels",
    ),
    "Run lengths that end early": (
        changed(segmentation=rle([10, 20])),
        "segmentation: expected outlines",
    ),
    "Run lengths that end early, compressed": (
        changed(segmentation=rle(compressed()[:-1])),
        "segmentation: expected outlines",
    ),
}
"""What stops a run before it starts, and the message."""


def refused_document(change: Callable[[Document], None]) -> Document:
    broken = copy.deepcopy(document())
    change(broken)
    return broken
