"""Exported folders through the command, read back with plain libraries.

The evaluators themselves read them in ``tests/readers/test_exports.py``.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import webdataset
import yaml
from pycocotools.coco import COCO

from tests.end_to_end.commands import Outcome, command
from tests.end_to_end.damage import edit_json, edit_parquet, reseal, sign
from tests.end_to_end.reading import manifest, read_tars, samples_table, shards, tree
from tests.odd_files.runs import Run

BASELINE = "pillow/pillow-bilinear/rgb"
NEAREST = "pillow/pillow-nearest/rgb"
FFMPEG = "ffmpeg/pillow-bilinear/rgb"
GRID = """\
decoders: [pillow]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: shorter256-crop224
"""


def export(output: Path, layout: str, to: Path, *variants: str) -> Outcome:
    named = (f"--variant={variant}" for variant in variants)
    return command("export", str(output), f"--layout={layout}", *named, f"--to={to}")


def exported(output: Path, layout: str, to: Path, *variants: str) -> list[Path]:
    done = export(output, layout, to, *variants)
    assert done.code == 0, done.error
    folders = [to / variant.replace("/", "__") for variant in variants]
    assert sorted(to.iterdir()) == sorted(folders)
    samples = manifest(output)["counts"]["samples"]
    assert done.out.splitlines() == [f"{folder}: {samples} images" for folder in folders]
    for folder, variant in zip(folders, variants, strict=True):
        assert json.loads((folder / "export.json").read_text("utf-8")) == {
            "set": manifest(output)["checksum"],
            "variant": variant,
            "layout": layout,
            "files": sum(path.is_file() for path in folder.rglob("*")) - 1,
        }
    return folders


def generated(images: Path, output: Path, *options: str) -> Path:
    """A set of one variant."""
    grid = output.with_suffix(".yaml")
    grid.write_text(GRID, "utf-8")
    done = command(
        *("generate", "imagenet", f"--images={images}", f"--output={output}"),
        *(f"--grid={grid}", "--workers=1", *options),
    )
    assert done.code == 0, done.error
    return output


def names(folder: Path) -> list[str]:
    """The paths of the files below a folder, without the record of the export."""
    return [path for path in tree(folder) if path != "export.json"]


def test_sorted_class_folders_number_the_labels(imagenet_set: Path, tmp_path: Path) -> None:
    extension = imagenet_set.name.removeprefix("imagenet-")
    folders = exported(imagenet_set, "imagefolder", tmp_path / "to", BASELINE, FFMPEG)
    for variant, folder in zip((BASELINE, FFMPEG), folders, strict=True):
        classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
        assert (folder / "classes.txt").read_text("utf-8").splitlines() == classes
        found = {
            path.stem: (place, path.read_bytes())
            for place, name in enumerate(classes)
            for path in (folder / name).glob(f"*.{extension}")
        }
        assert found == {
            key: (int(sample["cls"]), sample[extension])
            for key, sample in read_tars(imagenet_set, variant).items()
        }
        assert len(names(folder)) == len(found) + 1


def test_folders_are_wnids_where_all_classes_have_one(
    imagenet_source: Path, tmp_path: Path
) -> None:
    images = sorted((imagenet_source / "images").iterdir())[:2]
    wnids = ("n01440764", "n15075141")
    for wnid, image in zip(wnids, images, strict=True):
        (tmp_path / "val" / wnid).mkdir(parents=True)
        shutil.copy(image, tmp_path / "val" / wnid)
    output = generated(tmp_path / "val", tmp_path / "set")
    (folder,) = exported(output, "imagefolder", tmp_path / "to", BASELINE)
    classes = (folder / "classes.txt").read_text("utf-8").splitlines()
    assert len(classes) == 1000
    assert classes == sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert [classes.index(wnid) for wnid in wnids] == [0, 999]
    assert all(len(list((folder / wnid).iterdir())) == 1 for wnid in wnids)


def test_equal_files_of_variants_are_hard_links(imagenet_set: Path, tmp_path: Path) -> None:
    same = {
        row["key"]
        for row in samples_table(imagenet_set)
        if row[BASELINE.replace("/", "__")] == row["simplejpeg__pillow-bilinear__rgb"]
    }
    one, other = exported(
        *(imagenet_set, "imagefolder", tmp_path / "to"),
        *(BASELINE, "simplejpeg/pillow-bilinear/rgb"),
    )
    images = [path for path in one.glob("*/*") if path.is_file()]
    linked = {path.stem for path in images if path.samefile(other / path.relative_to(one))}
    assert linked == same != set()


def test_coco_images_have_the_annotations_of_their_pixels(coco_set: Path, tmp_path: Path) -> None:
    for variant, folder in zip(
        (BASELINE, NEAREST),
        exported(coco_set, "coco", tmp_path / "to", BASELINE, NEAREST),
        strict=True,
    ):
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(folder / "annotations" / "instances_demo.json")
        stored = read_tars(coco_set, variant)
        assert len(truth.imgs) == len(stored)
        for image in truth.imgs.values():
            sample = stored[Path(image["file_name"]).stem]
            assert (folder / "images" / image["file_name"]).read_bytes() == sample["png"]
            of_image = truth.loadAnns(truth.getAnnIds(image["id"]))
            fields = json.loads(sample["json"])
            assert image["width"] == fields["geometry"]["output_width"]
            expected = [each["bbox"] for each in fields["annotations"]]
            assert [each["bbox"] for each in of_image] == expected


def test_yolo_labels_are_shares_of_the_image(coco_set: Path, tmp_path: Path) -> None:
    (folder,) = exported(coco_set, "yolo", tmp_path / "to", NEAREST)
    data = yaml.safe_load((folder / "data.yaml").read_text("utf-8"))
    categories = sorted(manifest(coco_set)["dataset"]["categories"], key=lambda each: each["id"])
    assert data["names"] == dict(enumerate(each["name"] for each in categories))
    objects = 0
    for key, sample in read_tars(coco_set, NEAREST).items():
        assert (folder / data["val"] / f"{key}.png").read_bytes() == sample["png"]
        fields = json.loads(sample["json"])
        width, height = (fields["geometry"][f"output_{each}"] for each in ("width", "height"))
        lines = (folder / "labels" / f"{key}.txt").read_text("utf-8").splitlines()
        kept = [each for each in fields["annotations"] if not each["iscrowd"]]
        objects += len(kept)
        for line, each in zip(lines, kept, strict=True):
            place, *shares = map(float, line.split())
            assert categories[int(place)]["id"] == each["category_id"]
            x, y, box_width, box_height = each["bbox"]
            right, bottom = min(width, x + box_width), min(height, y + box_height)
            x, y = max(0, x), max(0, y)
            expected = [(x + right) / 2 / width, (y + bottom) / 2 / height]
            expected += [(right - x) / width, (bottom - y) / height]
            assert shares == pytest.approx(expected, abs=1e-8)
    assert objects > 10


def test_odd_objects_make_labels_that_ultralytics_takes(coco_run: Run, tmp_path: Path) -> None:
    """It leaves out an image of which a number is below 0 or above 1, or a size is 0."""
    (folder,) = exported(coco_run.output, "yolo", tmp_path / "to", BASELINE)
    count = len(manifest(coco_run.output)["dataset"]["categories"])
    lines = [
        line.split()
        for path in (folder / "labels").iterdir()
        for line in path.read_text("utf-8").splitlines()
    ]
    assert lines
    for place, *shares in lines:
        assert 0 <= int(place) < count
        x, y, width, height = map(float, shares)
        assert min(width, height) > 0
        assert min(x - width / 2, y - height / 2) >= -1e-8
        assert max(x + width / 2, y + height / 2) <= 1 + 1e-8


def test_timm_finds_the_tars_of_the_set(imagenet_set: Path, tmp_path: Path) -> None:
    extension = imagenet_set.name.removeprefix("imagenet-")
    (folder,) = exported(imagenet_set, "timm-wds", tmp_path / "to", FFMPEG)
    (split,) = json.loads((folder / "_info.json").read_text("utf-8"))["splits"].values()
    read = {
        name: list(webdataset.WebDataset(str(folder / name), shardshuffle=False))
        for name in split["filenames"]
    }
    assert split["shard_lengths"] == [len(each) for each in read.values()]
    assert split["num_samples"] == sum(split["shard_lengths"]) == 18
    stored = read_tars(imagenet_set, FFMPEG)
    for sample in (sample for each in read.values() for sample in each):
        assert {name: sample[name] for name in ("cls", extension)} == {
            name: stored[sample["__key__"]][name] for name in ("cls", extension)
        }


def test_dali_indices_name_the_bytes_of_each_member(coco_set: Path, tmp_path: Path) -> None:
    (folder,) = exported(coco_set, "dali", tmp_path / "to", BASELINE)
    assert len(names(folder)) == 2 * manifest(coco_set)["counts"]["shards"]
    found: dict[str, dict[str, bytes]] = {}
    for tar in sorted(folder.glob("*.tar")):
        first, *lines = tar.with_suffix(".idx").read_text("utf-8").splitlines()
        assert first == f"v1.2 {len(lines)}"
        data = tar.read_bytes()
        for line in lines:
            words = iter(line.split())
            for extension, offset, size, name in zip(words, words, words, words, strict=True):
                assert name.endswith(f".{extension}")
                sample = found.setdefault(name.removesuffix(f".{extension}"), {})
                sample[extension] = data[int(offset) : int(offset) + int(size)]
    assert found == read_tars(coco_set, BASELINE)


def test_finished_folders_stay_and_others_are_added(small_set: Path, tmp_path: Path) -> None:
    one, other = (each["id"] for each in manifest(small_set)["variants"])
    to = tmp_path / "to"
    (folder,) = exported(small_set, "imagefolder", to, one)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = export(small_set, "imagefolder", to, other.replace("/", "__"), one, one)
    assert done.code == 0, done.error
    added = to / other.replace("/", "__")
    assert done.out.splitlines() == [
        f"{added}: 18 images",
        f"{folder}: 18 images, which were there already",
    ]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert len(names(added)) == 19
    next(folder.rglob("*.png")).unlink()
    refused = export(small_set, "imagefolder", to, one)
    assert refused.code == 1
    assert refused.lacks(str(folder), "has 18 files, and 19 were written") == []


@pytest.mark.parametrize("holds", ["nothing", "another layout", "other files"])
def test_a_folder_of_something_else_is_refused(holds: str, small_set: Path, tmp_path: Path) -> None:
    variant = manifest(small_set)["variants"][0]["id"]
    to = tmp_path / "to"
    folder = to / variant.replace("/", "__")
    folder.mkdir(parents=True)
    if holds == "another layout":
        folder.rmdir()
        assert export(small_set, "timm-wds", to, variant).code == 0
    if holds == "other files":
        (folder / "export.json").write_text("[", "utf-8")
    before = tree(to)
    refused = export(small_set, "imagefolder", to, variant)
    assert refused.code == 1
    assert not refused.lacks(str(folder), "holds something else", "remove it first")
    assert tree(to) == before


def test_what_a_killed_run_left_is_removed(small_set: Path, tmp_path: Path) -> None:
    left = tmp_path / "to" / "_temporary" / "export.abc" / "half"
    left.mkdir(parents=True)
    (left / "image.png").write_bytes(b"half")
    exported(small_set, "imagefolder", tmp_path / "to", manifest(small_set)["variants"][1]["id"])


def flip(output: Path, variant: str) -> Path:
    """Change a byte in the middle of a shard."""
    path = shards(output, variant, "tar")[2]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("layout", ["imagefolder", "timm-wds", "dali"])
def test_a_damaged_shard_is_named_and_nothing_is_left(
    layout: str, small_set: Path, tmp_path: Path
) -> None:
    output = tmp_path / "set"
    shutil.copytree(small_set, output)
    variant = manifest(output)["variants"][1]["id"]
    damaged = flip(output, variant)
    failed = export(output, layout, tmp_path / "to", variant)
    assert failed.code == 1
    assert not failed.lacks(damaged.relative_to(output).as_posix(), "sha256")
    assert list((tmp_path / "to").iterdir()) == []


def outside(row: dict[str, object]) -> dict[str, object]:
    return {**row, "key": "../../../outside"}


def bad_label(row: dict[str, object]) -> dict[str, object]:
    return {**row, "label": 2**40}


@pytest.mark.parametrize(
    ("edit", "fragments"),
    [(outside, ("'../../../outside'", "it is no key")), (bad_label, ("its label is",))],
    ids=["key", "label"],
)
def test_hostile_samples_lead_nowhere(
    edit: Callable[[dict[str, object]], dict[str, object]],
    fragments: tuple[str, ...],
    imagenet_source: Path,
    tmp_path: Path,
) -> None:
    """A set whose sums fit what its Parquet shard says."""
    labels = f"--label-file={imagenet_source / 'val.txt'}"
    output = generated(
        *(imagenet_source / "images", tmp_path / "set", labels, "--limit=1", "--format=parquet")
    )
    (path,) = shards(output, BASELINE, "parquet")
    edit_parquet(path, lambda rows: [edit(row) for row in rows])
    reseal(output)
    edit_json(output / "manifest.json", sign)
    failed = export(output, "imagefolder", tmp_path / "to" / "deep", BASELINE)
    assert failed.code == 1
    assert not failed.lacks(*fragments, "damaged")
    assert list((tmp_path / "to").iterdir()) == [tmp_path / "to" / "deep"]
    assert list((tmp_path / "to" / "deep").iterdir()) == []


@pytest.mark.parametrize(
    ("layout", "variant", "fragments"),
    [
        ("coco", BASELINE, ("is a set of imagenet", "imagefolder, timm-wds, dali")),
        ("imagefolder", "pillow/pillow-bilinear/xyz", ("unknown variant", "did you mean")),
    ],
)
def test_what_does_not_fit_is_refused(
    layout: str, variant: str, fragments: tuple[str, ...], small_set: Path, tmp_path: Path
) -> None:
    refused = export(small_set, layout, tmp_path / "to", variant)
    assert refused.code == 2
    assert not refused.lacks(*fragments)
    assert not (tmp_path / "to").exists()


def test_targets_that_no_tool_reads_are_refused(small_set: Path, tmp_path: Path) -> None:
    variant = manifest(small_set)["variants"][0]["id"]
    inside = export(small_set, "imagefolder", small_set / "exported", variant)
    assert (inside.code, inside.lacks("lies in the set")) == (2, [])
    remote = command(
        *("export", str(small_set), "--layout=dali", f"--variant={variant}", "--to=memory://x")
    )
    assert (remote.code, remote.lacks("is remote")) == (1, [])


@pytest.mark.parametrize(
    ("option", "layout", "fragment"),
    [
        ("--image-format=npy", "imagefolder", "the images of"),
        ("--format=parquet", "timm-wds", "has no WebDataset shards"),
    ],
)
def test_sets_that_tools_do_not_read_are_refused(
    option: str, layout: str, fragment: str, imagenet_source: Path, tmp_path: Path
) -> None:
    labels = f"--label-file={imagenet_source / 'val.txt'}"
    output = generated(*(imagenet_source / "images", tmp_path / "set", labels, "--limit=1", option))
    refused = export(output, layout, tmp_path / "to", BASELINE)
    assert (refused.code, refused.lacks(fragment, "generate")) == (2, [])
    assert list((tmp_path / "to").iterdir()) == []


def test_a_published_copy_is_exported_where_it_lies(small_set: Path, tmp_path: Path) -> None:
    """Through fsspec, and with one of two variants."""
    one, other = (each["id"] for each in manifest(small_set)["variants"])
    url = "memory://published"
    assert command("publish", str(small_set), url, f"--variant={other}").code == 0
    to = tmp_path / "to"
    done = command("export", url, "--layout=imagefolder", f"--variant={other}", f"--to={to}")
    assert done.code == 0, done.error
    exported(small_set, "imagefolder", tmp_path / "local", other)
    slug = other.replace("/", "__")
    assert tree(to / slug) == tree(tmp_path / "local" / slug)
    lacking = command("export", url, "--layout=imagefolder", f"--variant={one}", f"--to={to}")
    assert (lacking.code, lacking.lacks("has no images of", one)) == (1, [])


@pytest.mark.extras
def test_dali_reads_the_bytes_of_images_and_labels(small_set: Path, tmp_path: Path) -> None:
    from nvidia.dali import Pipeline, fn

    variant = manifest(small_set)["variants"][1]["id"]
    (folder,) = exported(small_set, "dali", tmp_path / "to", variant)
    tars = sorted(map(str, folder.glob("*.tar")))
    indices = sorted(map(str, folder.glob("*.idx")))
    pipeline = Pipeline(batch_size=18, num_threads=1, device_id=None)
    with pipeline:
        read = fn.readers.webdataset(paths=tars, index_paths=indices, ext=["png", "cls"])
        pipeline.set_outputs(*read)
    pipeline.build()
    images, labels = pipeline.run()
    found = [(bytes(images.at(place)), bytes(labels.at(place))) for place in range(18)]
    stored = read_tars(small_set, variant).values()
    assert found == [(sample["png"], sample["cls"]) for sample in stored]
