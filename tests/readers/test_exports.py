"""Exported folders, read by the evaluators that they are made for: equal counts, labels and bytes.

``make test-readers`` exports the sets of ``make demo`` beside its interpreter, and has torchvision,
timm and Ultralytics. DALI is an extra: ``make test-extras`` reads its folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.end_to_end.reading import Members, decode_image, read_tars

MADE = Path(sys.prefix) / "made"
IMAGENET = ("imagenet", "ffmpeg/pillow-bilinear/rgb")
COCO = ("coco", "pillow/pillow-nearest/rgb")

pytestmark = pytest.mark.readers


def folder(layout: str, made_of: tuple[str, str]) -> Path:
    return MADE / "exported" / layout / made_of[1].replace("/", "__")


def stored(made_of: tuple[str, str]) -> Members:
    return read_tars(MADE / "demo" / made_of[0], made_of[1])


def labels_and_sums() -> list[tuple[int, int]]:
    """Label and sum of all pixels of each sample, sorted."""
    return sorted(
        (int(sample["cls"]), int(decode_image(sample["png"]).astype(np.int64).sum()))
        for sample in stored(IMAGENET).values()
    )


def test_torchvision_numbers_the_folders_by_label() -> None:
    from torchvision.datasets import ImageFolder

    read = ImageFolder(str(folder("imagefolder", IMAGENET)), allow_empty=True)
    found = {Path(path).stem: (label, Path(path).read_bytes()) for path, label in read.samples}
    assert found == {
        key: (int(sample["cls"]), sample["png"]) for key, sample in stored(IMAGENET).items()
    }


@pytest.mark.parametrize(
    ("name", "layout", "options"),
    [("", "imagefolder", {"class_map": "classes.txt"}), ("wds/", "timm-wds", {})],
)
def test_timm_loads_what_its_validation_script_would(
    name: str, layout: str, options: dict[str, str]
) -> None:
    """The readers with the arguments of validate.py, up to the batches that a model gets."""
    import torch
    from timm.data import create_dataset, create_loader

    dataset = create_dataset(
        name, root=str(folder(layout, IMAGENET)), split="validation", **options
    )
    loader = create_loader(
        dataset,
        input_size=(3, 224, 224),
        batch_size=4,
        use_prefetcher=False,
        num_workers=0,
        crop_pct=1.0,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        device=torch.device("cpu"),
    )
    found: list[tuple[int, int]] = []
    for images, labels in loader:
        sums = (images.double() * 255).round().sum((1, 2, 3)).long()
        found += zip(labels.tolist(), sums.tolist(), strict=True)
    assert sorted(found) == labels_and_sums()


def test_torchvision_and_pycocotools_find_every_object_where_it_is() -> None:
    """The objects as detections have an average precision of 1, in the pixels of the images."""
    from pycocotools.cocoeval import COCOeval
    from torchvision.datasets import CocoDetection

    root = folder("coco", COCO)
    read = CocoDetection(str(root / "images"), str(root / "annotations/instances_demo.json"))
    members = stored(COCO)
    assert len(read) == len(members)
    found = []
    for index, image_id in enumerate(read.ids):
        image, objects = read[index]
        name = read.coco.imgs[image_id]["file_name"]
        assert np.array_equal(np.asarray(image), decode_image(members[Path(name).stem]["png"]))
        found += [
            {name: each[name] for name in ("image_id", "category_id", "bbox")} | {"score": 1.0}
            for each in objects
            if not each["iscrowd"]
        ]
    evaluation = COCOeval(read.coco, read.coco.loadRes(found), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)


def test_ultralytics_validates_on_every_image_and_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With random weights; the labels are those of the set, and the results name its images."""
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path / "settings"))
    monkeypatch.setenv("YOLO_AUTOINSTALL", "false")
    from ultralytics import YOLO
    from ultralytics.data.dataset import YOLODataset

    root = folder("yolo", COCO)
    members = stored(COCO)
    validated: list[Any] = []

    def keep(validator: Any) -> None:
        validated.append(validator.dataloader.dataset)

    model = YOLO("yolov8n.yaml")
    model.add_callback("on_val_end", keep)
    model.val(
        data=str(root / "data.yaml"),
        imgsz=64,
        conf=1e-5,
        max_det=3,
        save_json=True,
        workers=0,
        plots=False,
        device="cpu",
        project=str(tmp_path),
        name="run",
    )
    (dataset,) = validated
    assert isinstance(dataset, YOLODataset)
    assert {Path(each["im_file"]).stem for each in dataset.labels} == members.keys()
    for each in dataset.labels:
        fields = json.loads(members[Path(each["im_file"]).stem]["json"])
        sides = [fields["geometry"][f"output_{side}"] for side in ("width", "height")]
        objects = [one for one in fields["annotations"] if not one["iscrowd"]]
        assert len(each["bboxes"]) == len(objects)
        for box, one in zip(each["bboxes"], objects, strict=True):
            x, y, width, height = one["bbox"]
            expected = [x + width / 2, y + height / 2, width, height]
            assert box * np.array(sides * 2) == pytest.approx(expected, abs=1e-3)
    results = json.loads((tmp_path / "run" / "predictions.json").read_text("utf-8"))
    assert {Path(each["file_name"]).stem for each in results} <= members.keys()
    assert results
