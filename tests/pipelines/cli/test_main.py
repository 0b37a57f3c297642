"""The parts of the command that generate nothing."""

from __future__ import annotations

import importlib.util

import pytest

from sysnoise import grid_names
from sysnoise.manifests.layout import IMAGE_FORMATS
from sysnoise.pipelines.cli.main import main
from sysnoise.transforms import grid_problems, methods
from sysnoise.transforms.codecs.encoders import ENCODERS
from sysnoise.transforms.libraries import LIBRARIES

EXTRAS_OF_ALL = ["dali", "evaluate", "jpegli", "jpeglib", "skia", "skimage", "stb", "vips", "zune"]
"""The extras that the widest grid needs."""


def test_grids_lists_the_grids(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(grid_problems, "is_available", lambda method: True)
    assert main(["grids"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == grid_names()
    variants = {line.split()[0]: line.split()[1:3] for line in lines}
    assert variants["imagenet-full"] == ["132", "variants:"]
    assert variants["imagenet-wide"] == ["58", "variants:"]


@pytest.fixture
def no_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    extras = {name for name, library in LIBRARIES.items() if library.extra}
    monkeypatch.setattr(methods, "is_importable", lambda library: library not in extras)


@pytest.mark.usefixtures("no_extras")
def test_grids_lists_grids_whose_extras_are_absent(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grids"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(grid_names())
    assert lines[-1].split(maxsplit=1) == [
        "imagenet-wide",
        f"needs {methods.install_line(*EXTRAS_OF_ALL)}",
    ]


@pytest.mark.usefixtures("no_extras")
def test_absent_extras_are_named_with_the_pip_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grids", "imagenet-wide"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 28
    place = "sysnoise: imagenet-wide.yaml:14:5: decoders[9]: "
    assert lines[0] == f"{place}'jpeglib-6b' is not installed here: it needs the extra jpeglib"
    line = methods.install_line(*EXTRAS_OF_ALL)
    assert lines[-1] == f"to install what is missing: {line}"
    assert sum("pip" in each and "install " in each for each in lines) == 1


@pytest.mark.usefixtures("no_extras")
def test_extras_of_grid_and_model_are_named_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    absent = ("onnx", "onnxruntime")
    with monkeypatch.context() as patched:
        patched.setattr(
            importlib.util, "find_spec", lambda name: None if name in absent else found(name)
        )
        online = ["--online", "--images=x", "--grid=imagenet-stacks"]
        assert main(["evaluate", "set", "--model=m.onnx", "--config=timm", *online]) == 2
    extras = ["evaluate", "jpeglib", "skimage", "stb", "vips", "zune"]
    assert capsys.readouterr().err == (
        "sysnoise: running models needs onnx, onnxruntime, and the grid imagenet-stacks needs "
        f"extras, too: {methods.install_line(*extras)}\n"
    )


@pytest.mark.usefixtures("no_extras")
def test_absent_image_format_is_named_with_the_pip_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--images=x", "--output=y", "--grid=coco-published", "--image-format=jxl"]
    assert main(["generate", "imagenet", *arguments]) == 2
    expected = f"--image-format jxl needs imagecodecs: {methods.install_line('jxl')}\n"
    assert capsys.readouterr().err == f"sysnoise: {expected}"


def test_grids_lists_the_variants_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grids", "coco-published"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "pillow/pillow-bilinear/rgb\npillow/pillow-nearest/rgb\n"
    lines = printed.err.splitlines()
    assert all(line.startswith(("decoder pillow stands for: ", "resize pillow-")) for line in lines)
    assert "torchvision.io.decode_jpeg" in lines[0]


def test_image_formats_are_the_encoders() -> None:
    assert set(IMAGE_FORMATS) == set(ENCODERS)


@pytest.mark.parametrize(
    "arguments", [[], ["generate"], ["generate", "imagenet"], ["grids", "--nam"], ["nonsense"]]
)
def test_bad_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = main(arguments)
    except SystemExit as exit_:
        code = exit_.code
    assert code == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["genrate"], "argument COMMAND: unknown command 'genrate' (did you mean 'generate'?); v"),
        (["generate", "imagnet"], "unknown dataset 'imagnet' (did you mean 'imagenet'?); valid: "),
        (
            ["score", "set", "--predictions=p", "--format=markdwon"],
            "argument --format: unknown value 'markdwon' (did you mean 'markdown'?); valid: term",
        ),
        (["frobnicate"], "unknown command 'frobnicate'; valid: generate, finish, grids, "),
        (["verify", "set", "--pixel"], "unknown argument '--pixel' (did you mean --pixels?)"),
        (["verify", "set", "--varient=x"], "'--varient=x' (did you mean --variant?)"),
        (["evaluate", "set", "--model=m", "--varient=x"], "of Beam (did you mean --variant?)\n"),
        (["evaluate", "set", "--model=m", "--variants=x"], "of Beam (did you mean --variant?)\n"),
        (["evaluate", "set", "--model=m", "--predictoins=x"], "Beam (did you mean --predictions?)"),
        (["evaluate", "set", "--model=m", "--confg=x"], "Beam (did you mean --config?)\n"),
        (["evaluate", "set", "--model=m", "--job_nam=x"], "of Beam (did you mean --job_name?)\n"),
        (
            ["generate", "imagenet", "--images=x", "--grid=y", "--outptu", "z"],
            "error: unknown argument '--outptu', neither of sysnoise nor of Beam (did you mean "
            "--output?); the following arguments are required: --output\n",
        ),
        (
            ["generate", "imagenet", "--images=x", "--grid=y", "--runner=DirectRunner"],
            "generate imagenet: error: the following arguments are required: --output\n",
        ),
        (
            ["score", "set", "--prediction", "x"],
            "error: unknown argument '--prediction' (did you mean --predictions?); the following "
            "arguments are required: --predictions\n",
        ),
        (["--verson"], "error: unknown argument '--verson' (did you mean --version?); the follow"),
        (["genrate", "--output=x"], "error: argument COMMAND: unknown command 'genrate'"),
        (["verify", "set", "another"], "unknown argument 'another'\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_mistyped_gets_a_suggestion(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(arguments)
    except SystemExit as exit_:
        code = exit_.code
    assert code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("split", ["a/b", "..\\up", ""])
def test_splits_that_are_no_names_are_refused(
    split: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["generate", "imagenet", "--images=x", "--output=y", "--grid=z", f"--split={split}"])
    assert f"found {split!r}" in capsys.readouterr().err
