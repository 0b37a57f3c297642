"""The names of labels: one for each class, and none twice."""

from __future__ import annotations

import datasets
import pytest

from sysnoise.manifests.imagenet_classes import imagenet_classes
from sysnoise.manifests.label_names import label_names
from sysnoise.manifests.plan import ClassInfo


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        ([], ()),
        ([("n1", "tench"), ("n2", "goldfish")], ("tench", "goldfish")),
        ([("n1", "tench"), ("n2", None)], ("tench", "n2")),
        ([(None, "tench"), (None, None)], ()),
        (
            [("n1", "crane"), ("n2", "tench"), ("n3", "crane")],
            ("crane (n1)", "tench", "crane (n3)"),
        ),
        ([(None, "crane"), (None, "crane")], ()),
        ([("n1", "crane"), (None, "crane")], ("crane (n1)", "crane")),
        ([("n1", "crane"), ("n2", "crane"), (None, "crane (n1)")], ()),
    ],
    ids=["none", "names", "id", "unknown", "same", "same without id", "one id", "clash"],
)
def test_names(classes: list[tuple[str | None, str | None]], names: tuple[str, ...]) -> None:
    assert label_names([ClassInfo(*each) for each in classes]) == names


def test_imagenets_classes_have_names_that_datasets_takes() -> None:
    names = label_names(imagenet_classes())
    label = datasets.ClassLabel(names=list(names))  # It refuses names that are there twice.
    assert label.num_classes == 1000
    assert label.int2str(0) == "tench, Tinca tinca"
    assert [name for name in names if name.startswith("crane")] == [
        "crane (n02012849)",
        "crane (n03126707)",
    ]
