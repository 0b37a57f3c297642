"""Grids: expansion, names, fingerprint, and the errors of grid files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from sysnoise.manifests.grids.grid_file import parse_grid
from sysnoise.manifests.plan import grid_variants
from sysnoise.transforms.codecs.decoders import DECODERS
from sysnoise.transforms.codecs.exif import Exif
from sysnoise.transforms.colors import COLORS
from sysnoise.transforms.errors import GridError
from sysnoise.transforms.geometry import (
    PRESETS,
    RULES,
    KeepRatio,
    Letterbox,
    Native,
    RandomResizedCrop,
    ShorterSide,
)
from sysnoise.transforms.grid import ColorStage, Grid
from sysnoise.transforms.grid_document import grid_from_document
from sysnoise.transforms.methods import UnknownNameError, identity
from sysnoise.transforms.resizers import RESIZES
from sysnoise.transforms.variants import BASELINE, Combine, Variant
from tests.transforms import plain

PAPER_RESIZES = {
    "pil-bilinear": "pillow-bilinear",
    "pil-nearest": "pillow-nearest",
    "pil-box": "pillow-box",
    "pil-hamming": "pillow-hamming",
    "pil-cubic": "pillow-bicubic",
    "pil-lanczos": "pillow-lanczos",
    "opencv-nearest": "opencv-nearest",
    "opencv-bilinear": "opencv-linear",
    "opencv-area": "opencv-area",
    "opencv-cubic": "opencv-cubic",
    "opencv-lanczos": "opencv-lanczos4",
}
YAML = """\
decoders: [ffmpeg, pillow]
resizes: [pillow-bilinear, opencv-area, pillow-box]
colors: [nv12-bt601, rgb]
geometry: shorter256-crop224
"""
DOCUMENT: Mapping[str, Any] = yaml.safe_load(YAML)


def make(**changes: Any) -> Grid:
    """Make a grid of 2 x 3 x 2 methods from a document with these changes."""
    return grid_from_document({**DOCUMENT, **changes}, "test")


def error(text: str) -> str:
    """Return the whole message with which a grid file is refused."""
    with pytest.raises(GridError) as caught:
        parse_grid(text, "my.yaml", "test")
    return str(caught.value)


def ids(grid: Grid) -> list[str]:
    return [variant.id for variant in grid.variants]


def test_product_goes_through_decoders_then_resizes_then_colors() -> None:
    assert ids(make()) == [
        "ffmpeg/pillow-bilinear/nv12-bt601",
        "ffmpeg/pillow-bilinear/rgb",
        "ffmpeg/opencv-area/nv12-bt601",
        "ffmpeg/opencv-area/rgb",
        "ffmpeg/pillow-box/nv12-bt601",
        "ffmpeg/pillow-box/rgb",
        "pillow/pillow-bilinear/nv12-bt601",
        "pillow/pillow-bilinear/rgb",
        "pillow/opencv-area/nv12-bt601",
        "pillow/opencv-area/rgb",
        "pillow/pillow-box/nv12-bt601",
        "pillow/pillow-box/rgb",
    ]


def test_one_factor_is_the_baseline_and_then_each_axis() -> None:
    assert ids(make(combine="one-factor")) == [
        "pillow/pillow-bilinear/rgb",
        "ffmpeg/pillow-bilinear/rgb",
        "pillow/opencv-area/rgb",
        "pillow/pillow-box/rgb",
        "pillow/pillow-bilinear/nv12-bt601",
    ]


def test_one_factor_around_another_baseline() -> None:
    grid = make(combine="one-factor", baseline="ffmpeg/opencv-area/nv12-bt601")
    assert ids(grid) == [
        "ffmpeg/opencv-area/nv12-bt601",
        "pillow/opencv-area/nv12-bt601",
        "ffmpeg/pillow-bilinear/nv12-bt601",
        "ffmpeg/pillow-box/nv12-bt601",
        "ffmpeg/opencv-area/rgb",
    ]


@pytest.mark.parametrize(("combine", "count"), [("product", 7 * 11 * 6), ("one-factor", 22)])
def test_large_grids_hold_distinct_variants(combine: str, count: int) -> None:
    grid = make(
        decoders=[
            name
            for name in plain.DECODERS
            if DECODERS[name].extra is None and name != "opencv-exif"
        ],
        resizes=list(PAPER_RESIZES),
        colors=[name for name in COLORS if name != "bgr"],
        combine=combine,
    )
    assert len(grid.variants) == len(set(ids(grid))) == count
    assert BASELINE in grid.variants


def test_settings_that_are_left_out() -> None:
    assert parse_grid(YAML, "my.yaml", "test") == Grid(
        name="test",
        decoders=("ffmpeg", "pillow"),
        resizes=("pillow-bilinear", "opencv-area", "pillow-box"),
        colors=("nv12-bt601", "rgb"),
        geometry=ShorterSide(size=256, crop=224),
        baseline=Variant("pillow", "pillow-bilinear", "rgb"),
        combine=Combine.PRODUCT,
        color_stage=ColorStage.BEFORE_RESIZE,
        seed=0,
    )


def test_settings_that_are_given() -> None:
    text = f"""
name: mine
{YAML.replace("shorter256-crop224", "{rule: letterbox, size: 320}")}
baseline: ffmpeg/opencv-area/rgb
combine: one-factor
color_stage: after-resize
seed: 12
"""
    grid = parse_grid(text, "my.yaml", "test")
    assert (grid.name, grid.seed) == ("mine", 12)
    assert grid.geometry == Letterbox(size=320, pad=114)
    assert grid.baseline == Variant("ffmpeg", "opencv-area", "rgb")
    assert grid.combine is Combine.ONE_FACTOR
    assert grid.color_stage is ColorStage.AFTER_RESIZE


@pytest.mark.parametrize(("paper_name", "name"), PAPER_RESIZES.items())
def test_names_of_the_paper_stand_for_the_libraries_own(paper_name: str, name: str) -> None:
    settings = {"decoders": ["pil"], "resizes": [paper_name], "colors": ["rgb"]}
    baseline = f"pil/{paper_name}/rgb"
    canonical = Variant("pillow", name, "rgb")
    assert Variant.parse(baseline) == canonical
    text = yaml.safe_dump({**DOCUMENT, **settings, "baseline": baseline})
    for grid in (
        parse_grid(text, "my.yaml", "test"),
        make(**settings, baseline=baseline),
        Grid(
            "test",
            ("pil",),
            (paper_name,),
            ("rgb",),
            PRESETS["shorter256-crop224"],
            Variant("pil", paper_name, "rgb"),
        ),
    ):
        assert (grid.decoders, grid.resizes) == (("pillow",), (name,))
        assert grid.baseline == grid.variant(baseline) == canonical
        assert grid.variants == (canonical,)
        assert (
            grid.fingerprint()
            == make(
                decoders=["pillow"], resizes=[name], colors=["rgb"], baseline=canonical.id
            ).fingerprint()
        )


def test_id_and_slug() -> None:
    variant = Variant("ffmpeg", "opencv-area", "nv12-bt601")
    assert variant.id == "ffmpeg/opencv-area/nv12-bt601"
    assert variant.slug == "ffmpeg__opencv-area__nv12-bt601"
    assert Variant.parse(variant.id) == variant


@pytest.mark.parametrize("text", ["", "pillow", "pillow/rgb"])
def test_variant_of_less_than_three_parts(text: str) -> None:
    with pytest.raises(ValueError, match=f"^expected decoder/resize/color, found '{text}'$"):
        Variant.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("libvips/pillow-box/rgb", "^unknown decoder 'libvips'.*valid: pillow, opencv, "),
        ("pillow/boxes/rgb", "^unknown resize 'boxes'.*valid: pillow-nearest, pillow-box, "),
        ("pillow/pillow-box/hsv", "^unknown color 'hsv'.*valid: rgb, yuv444-bt601, "),
    ],
)
def test_variant_of_unknown_methods(text: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        Variant.parse(text)


def test_variant_of_another_grid() -> None:
    grid = make(combine="one-factor")
    with pytest.raises(ValueError, match="unknown variant") as caught:
        grid.variant("ffmpeg/pillow-box/rgb")
    message = str(caught.value)
    assert message.startswith("grid 'test': unknown variant 'ffmpeg/pillow-box/rgb'")
    assert message.endswith("; valid: " + ", ".join(ids(grid)))


@pytest.mark.parametrize(
    "name", ["pillow/opencv-cubik/rgb", "pillow__opencv-cubik__rgb", "pillow/opencv-cubic"]
)
def test_variant_that_is_misspelled(name: str) -> None:
    message = rf"^grid 'test': unknown variant '{name}' \(did you mean 'pillow/opencv-cubic/rgb'"
    grid = make(resizes=["pillow-bilinear", "opencv-cubic"])
    with pytest.raises(ValueError, match=message):
        grid.variant(name)


def test_fingerprint_is_sha256_of_the_document_without_the_name() -> None:
    message = (
        '{"baseline":"pillow/pillow-bilinear/rgb","color_stage":"before-resize",'
        '"colors":["nv12-bt601","rgb"],"combine":"product","decoders":["ffmpeg","pillow"],'
        '"geometry":{"crop":224,"rule":"shorter-side","size":256},'
        '"resizes":["pillow-bilinear","opencv-area","pillow-box"],"seed":0}'
    )
    assert make().fingerprint() == hashlib.sha256(message.encode()).hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "another"},
        {"geometry": {"rule": "shorter-side", "size": 256, "crop": 224}},
        {"geometry": {"crop": 224, "size": 256, "rule": "shorter-side"}},
        {"baseline": "pil/pil-bilinear/rgb"},
        {"resizes": ["pil-bilinear", "opencv-area", "pil-box"]},
        {"combine": "product", "color_stage": "before-resize", "seed": 0, "orient": "stored"},
    ],
)
def test_fingerprint_does_not_depend_on_how_a_grid_is_written(changes: dict[str, Any]) -> None:
    assert make(**changes).fingerprint() == make().fingerprint()


def test_fingerprint_depends_on_everything_that_decides_pixels() -> None:
    grids = [
        make(),
        make(decoders=["pillow", "opencv"]),
        make(decoders=["pillow"]),
        make(resizes=["pillow-bilinear"]),
        make(colors=["rgb"]),
        make(geometry="squash256-crop224"),
        make(geometry={"rule": "shorter-side", "size": 256, "crop": 225}),
        make(geometry={"rule": "shorter-side", "size": 257, "crop": 224}),
        make(baseline="ffmpeg/pillow-bilinear/rgb"),
        make(combine="one-factor"),
        make(color_stage="after-resize"),
        make(seed=1),
        make(orient="upright"),
    ]
    assert len({grid.fingerprint() for grid in grids}) == len(grids)


@pytest.mark.parametrize(
    "written",
    [
        {"rule": "random-resized-crop", "size": 224},
        {"rule": "random-resized-crop", "size": 224, "scale": [0.08, 1], "tries": 10},
    ],
)
def test_preset_and_its_parameters_are_the_same_geometry(written: dict[str, Any]) -> None:
    preset = make(geometry="random-resized-crop224")
    assert make(geometry=written) == preset
    assert make(geometry=written).fingerprint() == preset.fingerprint()


def test_equal_grids_have_equal_fingerprints() -> None:
    """Also where a caller writes 1 for 1.0."""
    preset = make(geometry="random-resized-crop224")
    written = dataclasses.replace(preset, geometry=RandomResizedCrop(224, scale=(0.08, 1)))
    assert written == preset
    assert written.fingerprint() == preset.fingerprint()


@pytest.mark.parametrize(
    "grid",
    [
        *(make(geometry=name) for name in PRESETS if name != "native"),
        make(geometry="native", resizes=["none"], baseline="pillow/none/rgb"),
        make(geometry={"rule": "keep-ratio", "shorter": 3, "longer": 4}, seed=10**12),
        make(combine="one-factor", color_stage="after-resize", baseline="ffmpeg/pillow-box/rgb"),
        make(orient="upright"),
    ],
)
def test_document_round_trips(grid: Grid) -> None:
    document = grid.document()
    assert document["name"] == "test"
    assert grid_from_document(json.loads(json.dumps(document)), "unused") == grid
    assert parse_grid(yaml.safe_dump(document), "my.yaml", "unused") == grid


def test_geometry_may_be_given_by_its_parameters() -> None:
    grid = make(geometry={"rule": "keep-ratio", "shorter": 600, "longer": 1000})
    assert grid.geometry == KeepRatio(shorter=600, longer=1000)
    native = make(geometry={"rule": "native"}, resizes=["none"], baseline="pillow/none/rgb")
    assert native.geometry == Native()


def test_identities_by_axis_and_name() -> None:
    assert make().identities() == {
        "decoders": {name: identity(DECODERS[name]) for name in ("ffmpeg", "pillow")},
        "resizes": {
            name: identity(RESIZES[name])
            for name in ("pillow-bilinear", "opencv-area", "pillow-box")
        },
        "colors": {name: identity(COLORS[name]) for name in ("nv12-bt601", "rgb")},
    }


@pytest.mark.parametrize(
    ("decoders", "orient", "exif"),
    [
        (["pillow", "opencv"], "stored", Exif.IGNORED),
        (["pillow", "opencv-exif"], "stored", Exif.APPLIED),
        (["pillow", "opencv-exif"], "upright", Exif.IGNORED),
    ],
)
def test_whether_a_decoder_turns_images_that_others_leave(
    decoders: list[str], orient: str, exif: Exif
) -> None:
    assert make(decoders=decoders, orient=orient).exif is exif


def test_orient_is_in_the_document_only_where_images_are_turned() -> None:
    assert make(orient="upright").document() == {**make().document(), "orient": "upright"}
    assert "orient" not in make(orient="stored").document()


def test_all_problems_of_a_file_are_told_at_once_with_their_places() -> None:
    text = """\
# A grid with many mistakes.
decoders:
  - pillow
  - libvips
  - pil
resizes: [pillow-bilinear, pillow-linear]
geometry:
  rule: letterbox
  size: large
  padding: 3
baseline: pillow/pillow-bilinear
combine: all
colour_stage: after-resize
seed: -1
seed: 1.5
"""
    decoders = ", ".join(DECODERS)
    settings = (
        "baseline, color_stage, colors, combine, decoders, geometries, geometry, name, orient, "
        "resizes, seed, sources, variants"
    )
    assert error(text).splitlines() == [
        f"my.yaml:2:1: colors: expected a list of at least one color; valid: {', '.join(COLORS)}",
        f"my.yaml:4:5: decoders[1]: unknown decoder 'libvips'; valid: {decoders}",
        "my.yaml:5:5: decoders[2]: 'pillow' is listed twice",
        "my.yaml:6:28: resizes[1]: unknown resize 'pillow-linear' "
        "(did you mean 'pillow-bilinear'?); valid: pillow-nearest, pillow-box, pillow-bilinear, "
        "pillow-hamming, pillow-lanczos, opencv-linear, dali-linear, ort-linear and "
        f"{len(RESIZES) - 8} more; docs/catalogue.md lists them",
        "my.yaml:9:3: geometry.size: expected a whole number, found 'large'",
        "my.yaml:10:3: geometry.padding: unknown parameter 'padding' (did you mean 'pad'?); "
        "valid: size, pad",
        "my.yaml:11:1: baseline: expected decoder/resize/color, found 'pillow/pillow-bilinear'",
        "my.yaml:12:1: combine: unknown combine 'all'; valid: product, one-factor, listed",
        "my.yaml:13:1: colour_stage: unknown setting 'colour_stage' "
        f"(did you mean 'color_stage'?); valid: {settings}",
        "my.yaml:15:1: seed: expected a whole number of at least 0, found 1.5",
        "my.yaml:15:1: seed: is set twice",
    ]


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        (
            "shorter256",
            "4:1: geometry: unknown geometry 'shorter256' (did you mean 'shorter256-crop224'?); "
            "valid: shorter256-crop224, shorter256-crop224-long-round, "
            "shorter256-crop224-long-ceil, shorter256-crop224-offset-truncate, "
            "shorter232-crop224, squash256-crop224, "
            f"letterbox416, letterbox640 and {len(PRESETS) - 8} more",
        ),
        (
            "7",
            f"4:1: geometry: expected a preset ({', '.join(PRESETS)}) or a mapping with a rule",
        ),
        ("{size: 9}", f"4:1: geometry: unknown rule 'None'; valid: {', '.join(RULES)}"),
        ("{rule: squash, size: 9}", "4:1: geometry: rule 'squash' needs 'crop'"),
        ("{rule: squash, size: 9, crop: 10}", "4:1: geometry: crop: 10 exceeds size 9"),
        (
            "{rule: squash, size: true, crop: 1}",
            "4:26: geometry.size: expected a whole number, found True",
        ),
        (
            "{rule: squash, size: 9, crop: 8, size: 9}",
            "4:44: geometry.size: is set twice",
        ),
        (
            "{rule: random-resized-crop, size: 9, ratio: 1}",
            "4:48: geometry.ratio: expected a pair of numbers, found 1",
        ),
        (
            "{rule: random-resized-crop, size: 9, ratio: [1, 2, 3]}",
            "4:48: geometry.ratio: expected a pair of numbers, found [1, 2, 3]",
        ),
    ],
)
def test_one_problem_of_the_geometry(geometry: str, message: str) -> None:
    assert error(YAML.replace("shorter256-crop224", geometry)) == f"my.yaml:{message}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seed: 1\nseed: 1", "6:1: seed: is set twice"),
        ("seed: yes", "5:1: seed: expected a whole number of at least 0, found True"),
        ("name: [x]", "5:1: name: expected a text, found ['x']"),
        ("name: ''", "5:1: name: expected a text, found ''"),
        (
            "color_stage: before",
            "5:1: color_stage: unknown color_stage 'before' (did you mean 'before-resize'?); "
            "valid: before-resize, after-resize",
        ),
        (
            "baseline: libvips/pillow-bilinear/rgb",
            f"5:1: baseline: unknown decoder 'libvips'; valid: {', '.join(DECODERS)}",
        ),
        (
            "baseline: pillow/opencv-cubic/rgb",
            "2:1: resizes: the baseline's 'opencv-cubic' is not among them",
        ),
    ],
)
def test_one_problem_of_the_settings(line: str, message: str) -> None:
    assert error(f"{YAML}{line}\n") == f"my.yaml:{message}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[ffmpeg, pillow]",
            "pillow",
            f"1:1: decoders: expected a list of at least one decoder; valid: {', '.join(DECODERS)}",
        ),
        ("pillow]", "opencv]", "1:1: decoders: the baseline's 'pillow' is not among them"),
        ("opencv-area", "pil-bilinear", "2:28: resizes[1]: 'pillow-bilinear' is listed twice"),
        (
            "opencv-area",
            "none",
            "2:28: resizes[1]: resize 'none' and the native geometry go together, found 'none'",
        ),
    ],
)
def test_one_problem_of_an_axis(old: str, new: str, message: str) -> None:
    assert error(YAML.replace(old, new)) == f"my.yaml:{message}"


def test_native_geometry_goes_with_none_alone() -> None:
    rule = "resize 'none' and the native geometry go together"
    assert error(YAML.replace("shorter256-crop224", "native")).splitlines() == [
        f"my.yaml:2:11: resizes[0]: {rule}, found 'pillow-bilinear'",
        f"my.yaml:2:28: resizes[1]: {rule}, found 'opencv-area'",
        f"my.yaml:2:41: resizes[2]: {rule}, found 'pillow-box'",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("decoders: [pillow", "1:18: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\nb: c: d\n", "2:5: not valid YAML: mapping values are not allowed here"),
        ("a: 1\n---\nb: 2\n", "2:1: not valid YAML: but found another document"),
        (
            "a: !!python/object:os.system {}\n",
            "1:4: not valid YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object:os.system'",
        ),
    ],
)
def test_text_that_is_not_yaml(text: str, message: str) -> None:
    assert error(text) == f"my.yaml:{message}"


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "pillow", "- pillow\n", "7"])
def test_text_that_is_not_a_mapping(text: str) -> None:
    expected = "expected a mapping of decoders, resizes, colors, geometry and settings"
    assert error(text) == f"my.yaml:1:1: grid: {expected}"


@pytest.mark.parametrize(
    "line",
    [
        "name: \x00",  # Not a character of YAML.
        "name: 2001-99-99",  # Looks like a date.
        "seed: !!int many",
        "name: &a [*a]",  # Holds itself.
    ],
)
def test_yaml_that_cannot_be_read_is_a_grid_error(line: str) -> None:
    assert error(f"{YAML}{line}\n").startswith("my.yaml")


def test_documents_without_a_text_tell_paths() -> None:
    with pytest.raises(GridError) as caught:
        make(decoders=["pillow", "pil"], seed=-1)
    assert str(caught.value).splitlines() == [
        "decoders[1]: 'pillow' is listed twice",
        "seed: expected a whole number of at least 0, found -1",
    ]


def test_parameters_are_checked_where_others_are_missing() -> None:
    with pytest.raises(GridError) as caught:
        make(geometry={"rule": "squash", "size": "large"})
    assert str(caught.value).splitlines() == [
        "geometry.size: expected a whole number, found 'large'",
        "geometry: rule 'squash' needs 'crop'",
    ]


def test_types_are_checked_in_python_too() -> None:
    wrong: Any = "large"
    with pytest.raises(GridError) as caught:
        dataclasses.replace(make(), geometry=ShorterSide(wrong, 224), seed=-1)
    assert str(caught.value).splitlines() == [
        "grid 'test':",
        "geometry.size: expected a whole number, found 'large'",
        "seed: expected a whole number of at least 0, found -1",
    ]


def test_grids_made_in_python_are_checked_too() -> None:
    with pytest.raises(GridError) as caught:
        dataclasses.replace(make(), colors=("nv12-bt601",), geometry=ShorterSide(224, 256))
    assert str(caught.value).splitlines() == [
        "grid 'test':",
        "geometry: crop: 256 exceeds size 224",
        "colors: the baseline's 'rgb' is not among them",
    ]


STACKS = """
geometries: [shorter256-crop224, shorter232-crop224, {name: own, rule: squash, size: 8, crop: 8}]
variants:
  - {name: training, decoder: pil, resize: pil-bilinear}
  - name: deployed
    decoder: simplejpeg-fastdct
    resize: opencv-linear-exact
    color: nv12-bt601
    source: jpeg-q75
    geometry: own
    stands_for: a camera
  - {name: again, decoder: pillow, resize: pillow-bilinear, geometry: shorter256-crop224}
"""


def test_variants_that_are_listed() -> None:
    grid = parse_grid(STACKS, "my.yaml", "test")
    training = Variant("pillow", "pillow-bilinear", "rgb")
    deployed = Variant("simplejpeg-fastdct", "opencv-linear-exact", "nv12-bt601", "jpeg-q75", "own")
    assert [(each.name, each.variant) for each in grid.stacks] == [
        ("training", training),
        ("deployed", deployed),
        ("again", training),
    ]
    assert grid.variants == (training, deployed)
    assert grid.baseline == training
    assert grid.combine is Combine.LISTED
    assert grid.decoders == ("pillow", "simplejpeg-fastdct")
    assert grid.geometry == PRESETS["shorter256-crop224"]
    assert grid_from_document(grid.document(), "test") == grid
    assert grid_variants(grid.document()) == tuple(each.id for each in grid.variants)


def test_variants_of_one_geometry_may_name_it() -> None:
    text = """geometry: squash224
variants:
  - {name: training, decoder: pillow, resize: pillow-bilinear}
  - {name: deployed, decoder: opencv, resize: opencv-linear, geometry: NAME}
"""
    grid = parse_grid(text.replace("NAME", "squash224"), "my.yaml", "test")
    assert [each.geometry for each in grid.variants] == ["first", "first"]
    found = error(text.replace("NAME", "squash300"))
    assert "unknown geometry 'squash300'; valid: first; list it in 'geometries'" in found


def test_all_problems_of_listed_variants_are_told_at_once() -> None:
    text = """geometries:
  - shorter256-crop224
  - {name: Own, rule: squash, size: 8, crop: 9}
  - {rule: squash, size: 8, crop: 8}
  - {name: first, rule: squash, size: 8, crop: 8}
decoders: [pillow]
variants:
  - {name: one, decoder: pillow, resize: pillow-bilinear}
  - {name: one, decoder: libvips, resize: pillow-bilinear, geometry: squash224}
  - {name: two, decoder: ffmpeg-nv12, resize: none, color: bgr}
  - {name: three, decoder: ffmpeg, resize: pillow-box, source: scaled-decode}
  - {name: four, decoder: pillow, colour: rgb}
  - five
"""
    found = error(text)
    for part in (
        "geometries[1].name: expected at most 64 lower-case letters, digits and single dashes, "
        "found 'Own'",
        "geometries[1]: crop: 9 exceeds size 8",
        "geometries[2].name: expected a name of the geometry, found None",
        "geometries[3].name: 'first' stands for the first geometry: take another name",
        "decoders: leave it out: the variants have other methods, or another order",
        "variants[1].name: 'one' is listed twice",
        "variants[1].decoder: unknown decoder 'libvips'",
        "variants[1].geometry: unknown geometry 'squash224'",
        "variants[2].resize: resize 'none' and the native geometry go together, found 'none'",
        "variants[2].decoder: 'ffmpeg-nv12' goes with color 'rgb' only, not with 'bgr'",
        "variants[3].source: 'scaled-decode' goes with 'pillow' and 'opencv' only, not",
        "variants[4].colour: unknown setting 'colour'",
        "variants[4]: 'resize' is missing",
        "variants[5]: expected a mapping with name, decoder and resize",
    ):
        assert part in found


def test_sources_and_geometries_are_axes() -> None:
    text = f"""{YAML}
sources: [original, jpeg-q75]
geometries: [shorter256-crop224, squash256-crop224]
"""
    text = text.replace("geometry: shorter256-crop224\n", "")
    grid = parse_grid(text, "my.yaml", "test")
    plain_grid = parse_grid(YAML, "my.yaml", "test")
    assert len(grid.variants) == 4 * len(plain_grid.variants)
    assert grid.variants[: len(plain_grid.variants)] == plain_grid.variants
    assert grid_variants(grid.document()) == tuple(each.id for each in grid.variants)
    one = parse_grid(f"{text}combine: one-factor\n", "my.yaml", "test")
    assert [each.id for each in one.variants[-2:]] == [
        "pillow/pillow-bilinear/rgb--from-jpeg-q75",
        "pillow/pillow-bilinear/rgb--at-squash256-crop224",
    ]
    assert grid_variants(one.document()) == tuple(each.id for each in one.variants)
    assert "sources" not in plain_grid.document()
    assert "sources" not in plain_grid.identities()
    assert list(grid.identities()["sources"]) == ["original", "jpeg-q75"]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            "sources: [original, scaled-decode]\ngeometry: random-resized-crop224",
            "goes with geometries that resize the whole image, not with 'random-resized-crop'",
        ),
        (
            "sources: [jpeg-q75]\ngeometry: squash224",
            "sources: the baseline's 'original' is not among them",
        ),
        (
            "geometries: [squash224, native]",
            "geometries[1]: the native geometry goes with no other one",
        ),
        (
            "geometries: [squash224, squash224]",
            "geometries[1].name: 'squash224' is listed twice",
        ),
        (
            "geometry: squash224\ngeometries: [squash256-crop224, squash224]",
            "geometry: expected the first of the geometries; leave it out where these are given",
        ),
        (
            "geometry: squash224\ncombine: listed",
            "combine: variants and combine 'listed' go together",
        ),
        (
            "geometries: [squash224, squash256-crop224]\n"
            "baseline: pillow/pillow-bilinear/rgb--at-squash256-crop224",
            "baseline: the baseline has the first geometry, not 'squash256-crop224'; list",
        ),
        (
            f"geometries: [squash224, {{name: {'x' * 65}, rule: native}}]",
            "geometries[1].name: expected at most 64 lower-case letters, digits and single dashes",
        ),
    ],
    ids=["scaled", "baseline", "native", "twice", "both", "listed", "baseline-geometry", "long"],
)
def test_sources_and_geometries_that_do_not_fit(settings: str, problem: str) -> None:
    methods = "decoders: [pillow]\nresizes: [pillow-bilinear]\ncolors: [rgb]\n"
    assert problem in error(f"{methods}{settings}\n")


def test_decoders_that_turn_images_take_one_geometry() -> None:
    text = """decoders: [pillow, opencv-exif]
resizes: [pillow-bilinear]
colors: [rgb]
geometries: [squash224, squash256-crop224]
"""
    assert "decoders[1]: 'opencv-exif' rotates images, which goes with one geometry" in error(text)
