"""ImageNet's published layouts, built from real photographs by the tools that their users have."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset

from sysnoise.manifests.imagenet_classes import imagenet_classes
from sysnoise.pipelines.cli.photographs import jpeg_bytes
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.readers.access import source_reader
from sysnoise.pipelines.readers.imagenet import read_imagenet
from sysnoise.pipelines.readers.parquet import DEFAULT_COLUMN_NAMES, ColumnNames
from sysnoise.pipelines.readers.sources import Source, SourceSet
from sysnoise.transforms.pixels import Pixels

Row = tuple[str, int, str | None, str | None, bytes]
"""Key, label, wnid, class name and image bytes of a sample."""

FIRST_FIVE = (
    (65, "n01751748", "sea snake"),
    (970, "n09193705", "alp"),
    (230, "n02105855", "Shetland sheepdog, Shetland sheep dog, Shetland"),
    (809, "n04263257", "soup bowl"),
    (516, "n03125729", "cradle"),
)
"""Label, wnid and name of ILSVRC2012_val_00000001 to 5."""

DEVKIT_LABELS = (490, 361, 171, 822, 297)
"""The same in the devkit's ILSVRC2012_validation_ground_truth.txt."""


@dataclass(frozen=True)
class Photo:
    """A photograph under the name and with the class of a validation image."""

    stem: str
    label: int
    wnid: str
    class_name: str
    data: bytes

    @property
    def file(self) -> str:
        return f"{self.stem}.JPEG"

    def row(self, wnid: bool = False, class_name: bool = False, key: str = "") -> Row:
        """What a reader must find where the source knows wnid or class name."""
        known = self.wnid if wnid else None, self.class_name if class_name else None
        return (key or self.stem, self.label, *known, self.data)


@dataclass(frozen=True)
class Layout:
    """The reader's arguments, as paths below a folder, and what it must find there.

    The notes are parts of what the reader says of the source, in their order.
    """

    rows: list[Row]
    images: str
    label_file: str | None = None
    class_list: str | None = None
    split: str = "val"
    columns: ColumnNames = DEFAULT_COLUMN_NAMES
    notes: tuple[str, ...] = ()

    def read(self, base: str) -> SourceSet:
        """Read the layout below ``base``, a path or URL."""
        labels, classes = (path and f"{base}/{path}" for path in (self.label_file, self.class_list))
        return read_imagenet(f"{base}/{self.images}", labels, classes, self.split, self.columns)


Build = Callable[[Path, Sequence[Photo]], Layout]


def published(photos: Mapping[str, Pixels]) -> list[Photo]:
    """Five photographs in the place of the first five validation images."""
    return [
        Photo(f"ILSVRC2012_val_{number:08d}", *info, jpeg_bytes(pixels, "420"))
        for number, (info, pixels) in enumerate(
            zip(FIRST_FIVE, photos.values(), strict=False), start=1
        )
    ]


def rows_of(found: SourceSet) -> list[Row]:
    """What a reader found, with the bytes of every image."""
    read = source_reader(found.root, image_column=found.image_column)
    return [
        (
            source.key,
            source.label,
            source.wnid,
            found.classes[source.label].name if found.classes else None,
            read(source),
        )
        for source in (Source(**row) for row in found.rows().to_pylist())
        if source.label is not None
    ]


def refusal(read: Callable[[], Any]) -> str:
    """The message with which a source is refused."""
    with pytest.raises(InputError) as caught:
        read()
    return str(caught.value)


def in_memory(folder: Path) -> str:
    """Copy a folder to fsspec's memory and return its URL."""
    fsspec.filesystem("memory").put(f"{folder}/", f"{folder}/", recursive=True)
    return f"memory:/{folder}"


def write(folder: Path, files: Mapping[str, bytes | str]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    path.write_bytes(tar_bytes(members))


def tar_bytes(members: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def write_zip(path: Path, folder: Path, prefix: str = "") -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, f"{prefix}{file.relative_to(folder)}")


def lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def thousand_classes() -> list[tuple[str, str]]:
    """Wnid and name of 1,000 classes in label order, the first five images' in their places."""
    known = {0: ("n01440764", "tench, Tinca tinca"), 999: ("n15075141", "toilet tissue")}
    known |= {label: (wnid, name) for label, wnid, name in FIRST_FIVE}
    numbers = np.interp(range(1000), sorted(known), [int(known[i][0][1:]) for i in sorted(known)])
    return [
        known.get(label, (f"n{int(number):08d}", f"class {label}"))
        for label, number in enumerate(numbers)
    ]


def class_list_text() -> str:
    return lines(f"{wnid} {name}" for wnid, name in thousand_classes())


def flat(folder: Path, photos: Sequence[Photo]) -> Layout:
    write(folder, {f"images/{photo.file}": photo.data for photo in photos})
    write(folder, {"val.txt": lines(f"{photo.file} {photo.label}" for photo in reversed(photos))})
    return Layout([photo.row() for photo in photos], "images", "val.txt")


def paths_in_labels(folder: Path, photos: Sequence[Photo]) -> Layout:
    """Label files may name paths, here with spaces in them and a tab before the label."""
    paths = {f"{photo.class_name}/{photo.file}": photo for photo in photos}
    write(folder, {f"images/{path}": photo.data for path, photo in paths.items()})
    write(folder, {"val.txt": lines(f"{path}\t{photo.label}" for path, photo in paths.items())})
    return Layout([photo.row() for photo in photos], "images", "val.txt")


def zipped(folder: Path, photos: Sequence[Photo]) -> Layout:
    layout = flat(folder, photos)
    write_zip(folder / "val.zip", folder / "images", "val/")
    return replace(layout, images="val.zip")


def class_folders(folder: Path, photos: Sequence[Photo]) -> Layout:
    write(folder, {f"val/{photo.wnid}/{photo.file}": photo.data for photo in photos})
    write(folder, {"classes.txt": class_list_text()})
    rows = [photo.row(wnid=True, class_name=True) for photo in photos]
    return Layout(rows, "val", class_list="classes.txt")


def thousand_folders(folder: Path, photos: Sequence[Photo]) -> Layout:
    """All classes have a folder, so that the place of a folder is its label."""
    rows = [photo.row(wnid=True) for photo in photos]
    taken = {photo.wnid for photo in photos}
    rows += [
        (f"{wnid}_1", label, wnid, None, wnid.encode())
        for label, (wnid, _) in enumerate(thousand_classes())
        if wnid not in taken
    ]
    write(folder, {f"val/{wnid}/{key}.JPEG": data for key, _, wnid, _, data in rows})
    return Layout(sorted(rows), "val")


def published_tar(folder: Path, photos: Sequence[Photo]) -> Layout:
    layout = flat(folder, photos)
    tar = "ILSVRC2012_img_val.tar"
    write_tar(folder / tar, ((photo.file, photo.data) for photo in reversed(photos)))
    return replace(layout, images=tar)


def kaggle_val(folder: Path, photos: Sequence[Photo]) -> Layout:
    data = "kaggle/ILSVRC/Data/CLS-LOC"
    boxes = (f"{photo.stem},{photo.wnid} 1 2 30 40 {photo.wnid} 5 6 7 8 " for photo in photos)
    write(folder, {f"{data}/val/{photo.file}": photo.data for photo in photos})
    write(folder, {f"{data}/train/{p.wnid}/{p.wnid}_10.JPEG": p.data for p in photos})
    write(
        folder,
        {
            "kaggle/LOC_synset_mapping.txt": class_list_text(),
            "kaggle/LOC_val_solution.csv": lines(["ImageId,PredictionString", *boxes]),
        },
    )
    return Layout([photo.row(wnid=True, class_name=True) for photo in photos], "kaggle")


def kaggle_train(folder: Path, photos: Sequence[Photo]) -> Layout:
    layout = kaggle_val(folder, photos)
    rows = [photo.row(wnid=True, class_name=True, key=f"{photo.wnid}_10") for photo in photos]
    return replace(layout, rows=sorted(rows), split="train")


def kaggle_zip(folder: Path, photos: Sequence[Photo]) -> Layout:
    layout = kaggle_val(folder, photos)
    archive = "imagenet-object-localization-challenge.zip"
    write_zip(folder / archive, folder / "kaggle")
    return replace(layout, images=archive)


def hugging_face(folder: Path, photos: Sequence[Photo]) -> Layout:
    """Shards of two splits in ``data``, row groups of two rows, written by ``datasets``."""
    data = folder / "imagenet-1k" / "data"
    data.mkdir(parents=True)
    train = [replace(photo, stem=f"{photo.wnid}_10") for photo in photos]
    shards = {
        "validation-00000-of-00002": photos[2:],
        "validation-00001-of-00002": photos[:2],
        "train-00000-of-00001": train,
    }
    names = [name for _, name in thousand_classes()]
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    )
    for name, part in shards.items():
        columns: dict[str, list[Any]] = {
            "image": [{"bytes": p.data, "path": f"{p.stem}_{p.wnid}.JPEG"} for p in part],
            "label": [photo.label for photo in part],
        }
        table = datasets.Dataset.from_dict(columns, features=features)
        table.to_parquet(str(data / f"{name}.parquet"), batch_size=2)
    rows = [photo.row(class_name=True, key=f"{photo.stem}_{photo.wnid}") for photo in photos]
    return Layout(rows, "imagenet-1k")


def hugging_face_file(folder: Path, photos: Sequence[Photo]) -> Layout:
    layout = hugging_face(folder, photos)
    file = "imagenet-1k/data/validation-00000-of-00002.parquet"
    return replace(layout, images=file, rows=layout.rows[2:])


def webdataset_tars(folder: Path, photos: Sequence[Photo]) -> Layout:
    (folder / "shards").mkdir()
    for shard, part in enumerate((photos[3:], photos[:3])):
        with webdataset.TarWriter(str(folder / "shards" / f"val-{shard:06d}.tar")) as writer:
            for photo in part:
                writer.write({"__key__": photo.stem, "jpg": photo.data, "cls": photo.label})
    write(folder, {"classes.txt": class_list_text()})
    rows = [photo.row(wnid=True, class_name=True) for photo in photos]
    return Layout(rows, "shards", class_list="classes.txt")


def webdataset_file(folder: Path, photos: Sequence[Photo]) -> Layout:
    layout = webdataset_tars(folder, photos)
    return replace(layout, images="shards/val-000001.tar", rows=layout.rows[:3])


SPLITS = ("train", "val")
IN_THE_THOUSAND = "of ImageNet's 1,000 classes; the labels are places in the 1,000"


def shipped(photo: Photo, key: str = "") -> Row:
    """What a reader must find where it takes the classes that ship with the project."""
    name = imagenet_classes()[photo.label].name
    return (key or photo.stem, photo.label, photo.wnid, name, photo.data)


def torchvision_root(folder: Path, photos: Sequence[Photo]) -> Layout:
    """The root after torchvision's ImageNet has unpacked its archives, which people keep there."""
    write(folder, {f"root/val/{photo.wnid}/{photo.file}": photo.data for photo in photos})
    write(folder, {f"root/train/{p.wnid}/{p.wnid}_{n}.JPEG": p.data for n, p in enumerate(photos)})
    write(folder, {"root/meta.bin": b"1", "root/ILSVRC2012_devkit_t12.tar.gz": b"1"})
    write_tar(folder / "root" / "ILSVRC2012_img_val.tar", ((p.file, p.data) for p in photos))
    return Layout(
        [shipped(photo) for photo in photos], "root", notes=("3 file(s)", IN_THE_THOUSAND)
    )


def torchvision_train(folder: Path, photos: Sequence[Photo]) -> Layout:
    layout = torchvision_root(folder, photos)
    rows = [shipped(photo, f"{photo.wnid}_{number}") for number, photo in enumerate(photos)]
    return replace(layout, rows=sorted(rows), split="train")


def one_folder_down(folder: Path, photos: Sequence[Photo]) -> Layout:
    torchvision_root(folder / "data", photos)
    rows = [shipped(photo) for photo in photos]
    return Layout(rows, "data", notes=("3 file(s)", IN_THE_THOUSAND))


def folders_with_names(folder: Path, photos: Sequence[Photo]) -> Layout:
    names = (f"{p.wnid}_{p.class_name.split(',')[0]}/{p.file}" for p in photos)
    write(folder, {f"val/{name}": p.data for name, p in zip(names, photos, strict=True)})
    return Layout([shipped(photo) for photo in photos], "val", notes=(IN_THE_THOUSAND,))


def numbered_folders(folder: Path, photos: Sequence[Photo]) -> Layout:
    write(folder, {f"val/{photo.label}/{photo.file}": photo.data for photo in photos})
    return Layout([photo.row() for photo in photos], "val")


def folders_named_by_class(folder: Path, photos: Sequence[Photo]) -> Layout:
    """A list of classes of one's own, one of which is called like a split."""
    names = ["Shetland sheepdog", "alp", "cradle", "sea snake", "train"]
    of = [names.index("sea snake"), 1, 0, names.index("train"), 2]
    files = {f"val/{names[label]}/{p.file}": p.data for label, p in zip(of, photos, strict=True)}
    write(folder, {**files, "classes.txt": lines(names)})
    rows: list[Row] = [
        (p.stem, label, None, names[label], p.data) for label, p in zip(of, photos, strict=True)
    ]
    note = "places in the class list of 5 classes"
    return Layout(rows, "val", class_list="classes.txt", notes=(note,))


def tiny_imagenet(folder: Path, photos: Sequence[Photo]) -> Layout:
    """Tiny ImageNet's training images lie in a folder of the class folder, its boxes beside it."""
    for photo in photos:
        write(folder, {f"tiny/train/{photo.wnid}/images/{photo.file}": photo.data})
        write(folder, {f"tiny/train/{photo.wnid}/{photo.wnid}_boxes.txt": "1"})
    write(folder, {"tiny/test/images/test_0.JPEG": b"1", "tiny/wnids.txt": "n01751748"})
    rows = [shipped(photo) for photo in photos]
    return Layout(rows, "tiny", split="train", notes=("6 file(s)", IN_THE_THOUSAND))


def same_names(folder: Path, photos: Sequence[Photo]) -> Layout:
    """ImageNet-Sketch counts the images of every class from 0."""
    write(folder, {f"sketch/{p.wnid}/sketch_{n // 4}.JPEG": p.data for n, p in enumerate(photos)})
    keys = [f"{photo.wnid}_2Fsketch_0" for photo in photos[:4]] + ["sketch_1"]
    rows = [shipped(photo, key) for photo, key in zip(photos, keys, strict=True)]
    return Layout(sorted(rows), "sketch", notes=(IN_THE_THOUSAND,))


def wnids_in_names(folder: Path, photos: Sequence[Photo]) -> Layout:
    """As in ``val_images.tar.gz`` of Hugging Face's ``ILSVRC/imagenet-1k``."""
    write(folder, {f"val/{p.stem}_{p.wnid}.JPEG": p.data for p in photos})
    rows = [shipped(photo, f"{photo.stem}_{photo.wnid}") for photo in photos]
    return Layout(rows, "val", notes=(IN_THE_THOUSAND,))


def wnid_labels(folder: Path, photos: Sequence[Photo]) -> Layout:
    layout = flat(folder, photos)
    write(folder, {"val.txt": lines(f"./val/{photo.stem}.JPEG {photo.wnid}" for photo in photos)})
    return replace(layout, rows=[shipped(p) for p in photos], notes=(IN_THE_THOUSAND,))


def devkit(folder: Path, photos: Sequence[Photo]) -> Layout:
    layout = flat(folder, photos)
    truth = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"
    write(folder, {truth: lines(map(str, DEVKIT_LABELS))})
    rows = [shipped(photo) for photo in photos]
    return replace(layout, rows=rows, label_file=truth, notes=(IN_THE_THOUSAND,))


def tar_of_tars(folder: Path, photos: Sequence[Photo]) -> Layout:
    """``ILSVRC2012_img_train.tar`` has a tar file for each class."""
    inner = [(f"{p.wnid}.tar", tar_bytes([(f"{p.wnid}_10.JPEG", p.data)])) for p in photos]
    write_tar(folder / "ILSVRC2012_img_train.tar", inner)
    rows = sorted(shipped(photo, f"{photo.wnid}_10") for photo in photos)
    tar = "ILSVRC2012_img_train.tar"
    return Layout(rows, tar, split="train", notes=(IN_THE_THOUSAND,))


def labeled_tar_of_tars(folder: Path, photos: Sequence[Photo]) -> Layout:
    layout = tar_of_tars(folder, photos)
    write(folder, {"train.txt": lines(f"{p.wnid}/{p.wnid}_10.JPEG {p.label}" for p in photos)})
    rows = sorted(photo.row(key=f"{photo.wnid}_10") for photo in photos)
    return replace(layout, rows=rows, label_file="train.txt", notes=("cannot tell",))


def class_tars(folder: Path, photos: Sequence[Photo]) -> Layout:
    """What is left of the published training set when its tar file was unpacked once."""
    files = {f"train/{p.wnid}.tar": tar_bytes([(f"{p.wnid}_10.JPEG", p.data)]) for p in photos}
    write(folder, files)
    return replace(tar_of_tars(folder, photos), images="train")


def folders_in_a_tar(folder: Path, photos: Sequence[Photo]) -> Layout:
    """A folder of both splits, packed into one tar file."""
    members = [(f"imagenet/{split}/{p.wnid}/{p.file}", p.data) for p in photos for split in SPLITS]
    write_tar(folder / "imagenet.tar", members)
    return Layout([shipped(p) for p in photos], "imagenet.tar", notes=(IN_THE_THOUSAND,))


def tar_one_folder_down(folder: Path, photos: Sequence[Photo]) -> Layout:
    layout = published_tar(folder, photos)
    (folder / "data" / "archives").mkdir(parents=True)
    (folder / layout.images).rename(folder / "data" / "archives" / layout.images)
    return replace(layout, images="data")


def stray_parquet(folder: Path, photos: Sequence[Photo]) -> Layout:
    """A file of somebody's results beside the class folders does not decide the layout."""
    layout = class_folders(folder, photos)
    write(folder, {"val/results.parquet": b"PAR1"})
    return replace(layout, notes=("1 file(s)",))


def tars_beside_parquet(folder: Path, photos: Sequence[Photo]) -> Layout:
    """A table of somebody's results beside the tars of a WebDataset."""
    layout = webdataset_tars(folder, photos)
    write(folder, {"shards/results.parquet": b"PAR1"})
    return replace(layout, notes=("1 file(s)",))


def restarting_keys(folder: Path, photos: Sequence[Photo]) -> Layout:
    """Keys that count from 0 in every tar file of a WebDataset."""
    for shard, photo in enumerate(photos):
        members = (("0.jpg", photo.data), ("0.cls", str(photo.label).encode()))
        write_tar(folder / f"{shard}.tar", members)
    rows = [photo.row(key=f"{n}_2Etar_2F0_2Ejpg") for n, photo in enumerate(photos)]
    return Layout(rows, "", notes=("cannot tell",))


def table_of(folder: Path, **columns: pa.Array) -> None:
    pq.write_table(pa.table(columns), folder / "mirror.parquet", row_group_size=2)


def plain_bytes(folder: Path, photos: Sequence[Photo]) -> Layout:
    """A mirror with other names of the columns, large types, and wnids as a dictionary."""
    wnids = pa.array([photo.wnid for photo in photos]).dictionary_encode()
    images = pa.array([photo.data for photo in photos], pa.large_binary())
    table_of(folder, jpg=images, synset=wnids)
    rows = [shipped(photo, f"mirror-{row:06d}") for row, photo in enumerate(photos)]
    columns = ColumnNames("jpg", "synset")
    return Layout(rows, "mirror.parquet", columns=columns, notes=(IN_THE_THOUSAND,))


def one_path(folder: Path, photos: Sequence[Photo]) -> Layout:
    """Every row has the same path, and a field that is not looked at."""
    images = [{"bytes": photo.data, "path": "image.jpg", "width": 1} for photo in photos]
    labels = pa.array([photo.label for photo in photos], pa.uint16())
    table_of(folder, image=pa.array(images), label=labels, other=labels)
    rows = [photo.row(key=f"mirror-{row:06d}") for row, photo in enumerate(photos)]
    return Layout(rows, "mirror.parquet", notes=("cannot tell",))


LAYOUTS: tuple[Build, ...] = (
    flat,
    paths_in_labels,
    zipped,
    class_folders,
    thousand_folders,
    published_tar,
    kaggle_val,
    kaggle_train,
    kaggle_zip,
    hugging_face,
    hugging_face_file,
    webdataset_tars,
    webdataset_file,
    torchvision_root,
    torchvision_train,
    one_folder_down,
    folders_with_names,
    numbered_folders,
    folders_named_by_class,
    tiny_imagenet,
    same_names,
    wnids_in_names,
    wnid_labels,
    devkit,
    tar_of_tars,
    labeled_tar_of_tars,
    class_tars,
    folders_in_a_tar,
    tar_one_folder_down,
    stray_parquet,
    tars_beside_parquet,
    restarting_keys,
    plain_bytes,
    one_path,
)
