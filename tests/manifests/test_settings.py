"""Settings: how they are written, which column a noise belongs to, and what is refused."""

from __future__ import annotations

import pytest

from sysnoise.manifests.settings import Noise, Setting, columns_of, noises_of, parse_setting
from sysnoise.manifests.tables import DatasetKind

PILLOW = "pillow/pillow-bilinear/rgb"
NEAREST = "pillow/pillow-nearest/rgb"
DETECTION = noises_of(DatasetKind.COCO)
CLASSIFICATION = noises_of(DatasetKind.IMAGENET)


def parse(text: str, noises: tuple[Noise, ...] = DETECTION) -> Setting:
    return parse_setting(text, (PILLOW, NEAREST), noises)


def test_columns_are_the_papers() -> None:
    values = [noise.value for noise in DETECTION]
    assert values[:6] == ["decode", "resize", "color", "fp16", "int8", "ceil mode"]
    assert values[6:] == ["upsample", "post-processing", "provider"]
    assert (*DETECTION[:6], Noise.PROVIDER) == CLASSIFICATION


@pytest.mark.parametrize(
    ("method", "noise"),
    [
        ("fp16", Noise.FP16),
        ("int8", Noise.INT8),
        ("int8-symmetric-per-channel", Noise.INT8),
        ("int8-symmetric-per-channel-whole-graph", Noise.INT8),
        ("ceil-mode", Noise.CEIL_MODE),
        ("floor-mode", Noise.CEIL_MODE),
        ("upsample-bilinear", Noise.UPSAMPLE),
        ("upsample-nearest-align_corners", Noise.UPSAMPLE),
        ("box-offset-1", Noise.POST_PROCESSING),
        ("box-offset-1-decode", Noise.POST_PROCESSING),
        ("provider-openvino", Noise.PROVIDER),
    ],
)
def test_a_method_belongs_to_a_column(method: str, noise: Noise) -> None:
    setting = parse(f"{PILLOW}+{method}")
    assert setting.changes(Setting(PILLOW)) == (noise,)
    assert setting.method(noise) == method


def test_a_setting_has_one_id_however_it_is_written() -> None:
    expected = f"{NEAREST}+int8+box-offset-1"
    for text in (
        expected,
        f"{NEAREST}+box-offset-1+int8",
        "pillow__pillow-nearest__rgb+int8+box-offset-1",
    ):
        assert parse(text).id == expected
    assert parse(expected).slug == "pillow__pillow-nearest__rgb+int8+box-offset-1"
    assert parse(parse(expected).slug) == parse(expected)


def test_changes_and_stacking() -> None:
    baseline = Setting(PILLOW)
    assert baseline.changes(baseline) == ()
    stacked = baseline.with_method(Noise.POST_PROCESSING, "box-offset-1")
    stacked = stacked.with_method(Noise.RESIZE, "pillow-nearest").with_method(Noise.INT8, "int8")
    assert stacked == parse(f"{NEAREST}+int8+box-offset-1")
    assert stacked.changes(baseline) == (Noise.RESIZE, Noise.INT8, Noise.POST_PROCESSING)
    assert stacked.with_method(Noise.INT8, "int8-mine").id == f"{NEAREST}+int8-mine+box-offset-1"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "unknown variant ''"),
        ("pillow/pillow-nearest", "unknown variant 'pillow/pillow-nearest'"),
        ("pillow/pillow-nearst/rgb", f"did you mean '{NEAREST}'?"),
        (f"{PILLOW}+", "unknown noise ''"),
        (f"{PILLOW}+int8-", "unknown noise 'int8-'"),
        (f"{PILLOW}+int8 ", "unknown noise 'int8 '"),
        (f"{PILLOW}+int80", "unknown noise 'int80'"),
        (f"{PILLOW}+int8-a/b", "unknown noise 'int8-a/b'"),
        (f"{PILLOW}+int8-a\n", "unknown noise"),
        (f"{PILLOW}+int8+int8", "int8 and int8 are both methods of int8; give one"),
        (
            f"{PILLOW}+upsample-nearest+upsample-bilinear",
            "upsample-nearest and upsample-bilinear are both methods of upsample; give one",
        ),
    ],
)
def test_other_texts_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"unknown|both") as raised:
        parse(text)
    assert complaint in str(raised.value)


def test_classification_has_no_noises_of_detection() -> None:
    with pytest.raises(ValueError, match="unknown noise 'box-offset-1'") as raised:
        parse(f"{PILLOW}+box-offset-1", CLASSIFICATION)
    assert str(raised.value).endswith("valid: fp16, int8, ceil-mode, floor-mode, provider")


def test_columns_beside_the_papers_are_those_of_the_set_and_its_predictions() -> None:
    papers = [Noise.DECODE, Noise.RESIZE, Noise.COLOR, Noise.FP16, Noise.INT8, Noise.CEIL_MODE]
    kind = DatasetKind.IMAGENET
    variants = (PILLOW, f"{PILLOW}--at-squash")
    assert columns_of(kind, [PILLOW], ()) == (*papers,)
    assert columns_of(kind, [PILLOW], [Noise.INT8, Noise.PROVIDER]) == (*papers, Noise.PROVIDER)
    assert columns_of(kind, variants, [Noise.PROVIDER]) == (
        *papers,
        Noise.GEOMETRY,
        Noise.PROVIDER,
    )
