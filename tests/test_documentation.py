"""Every command and every example of the documentation does what its page says.

A page is read from top to bottom, in a folder where the files lie that it names: ``sysnoise`` and
Python run, grids are loaded. What is not run is in :data:`NOT_RUN`, with the reason.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from sysnoise import load_grid, open_set
from sysnoise.pipelines.cli.main import main
from sysnoise.pipelines.cli.photographs import write_coco, write_imagenet
from sysnoise.pipelines.evaluation.named_configs import load_config
from tests import detectors
from tests.end_to_end.commands import command
from tests.end_to_end.reading import manifest as read_manifest
from tests.end_to_end.reading import tree
from tests.models import write_classifier, write_detector
from tests.outside import write_distribution
from tests.pages import LANGUAGES, PAGES, PROGRAMS, ROOT, Block, blocks, commands, inline_commands
from tests.servers import Server, s3_client

CLUSTERS = "docs/clusters.md"
ADDING = "docs/add-a-decoder.md"
PREDICTORS = "docs/predictors.md"
OWN_TESTS = {
    ADDING: "test_a_decoder_is_added_as_the_page_says",
    PREDICTORS: "tests/frameworks/test_predictors_page.py, which has the frameworks",
    "docs/reading.md": "tests/readers/test_reading_page.py, which has the frameworks",
}
"""Pages whose Python blocks are tested elsewhere."""
NOT_RUN = {
    "make": "targets are looked up in the Makefile; CI runs them",
    "pip": "extras are looked up in setup.py; CI installs them",
    "git": "clones this repository",
    "dask": "needs a cluster; make test-cluster starts one",
    "docker": "needs Docker and a registry",
    "go": "make test-cluster installs Prism so",
    "java": "make test-cluster starts Flink so",
    "mvn": "make test-cluster fetches Flink so",
    "sbatch": "needs Slurm",
}
RUN = [page for page in PAGES if page not in (ADDING, CLUSTERS, PREDICTORS) and blocks(page)]
LONG = (
    "docs/evaluating.md",
    "docs/runs.md",
    "docs/stacks.md",
    "docs/start/coco.md",
    "docs/start/imagenet.md",
    "docs/start/publish.md",
    "docs/tutorial.md",
)
"""Pages whose commands take half a minute."""


def test_every_block_has_a_language() -> None:
    untagged = [
        (page, block.line)
        for page in PAGES
        for block in blocks(page)
        if block.language not in LANGUAGES
    ]
    assert untagged == []
    for page in PAGES:
        fences = re.findall(r"^ *(?:```|~~~)", (ROOT / page).read_text("utf-8"), re.MULTILINE)
        assert len(fences) == 2 * len(blocks(page)), f"{page}: blocks that are not read"


def test_text_holds_no_commands() -> None:
    texts = [block.text for page in PAGES for block in blocks(page) if block.language == "text"]
    assert texts
    assert [text for text in texts if text.split()[0] in PROGRAMS] == []


@pytest.fixture
def laid_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3: Server) -> Path:
    """A folder with the sources that the pages name, as the current one."""
    write_imagenet(tmp_path / "imagenet")
    (tmp_path / "imagenet" / "images").rename(tmp_path / "val")
    (tmp_path / "imagenet" / "val.txt").rename(tmp_path / "val.txt")
    write_coco(tmp_path / "made")
    (tmp_path / "made" / "instances_demo.json").rename(tmp_path / "instances_val2017.json")
    with zipfile.ZipFile(tmp_path / "val2017.zip", "w") as archive:
        for path in (tmp_path / "made" / "images").iterdir():
            archive.write(path, f"val2017/{path.name}")
    write_classifier(tmp_path / "classifier.onnx")
    shutil.copy(tmp_path / "classifier.onnx", tmp_path / "efficientnet-lite0.onnx")
    write_detector(tmp_path / "detector.onnx")
    onnx.save(detectors.model(detectors.FAMILIES["yolov8"]()), tmp_path / "yolov8n.onnx")
    client = s3_client(s3)
    for bucket in ("imagenet", "noise"):
        client.create_bucket(Bucket=bucket)
    shutil.make_archive(str(tmp_path / "packed"), "tar", tmp_path / "val")
    client.upload_file(str(tmp_path / "packed.tar"), "imagenet", "val.tar")
    client.upload_file(str(tmp_path / "val.txt"), "imagenet", "val.txt")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow) if page in LONG else page for page in RUN],
)
def test_page_runs(page: str, laid_out: Path) -> None:
    called = commands(page)
    names: dict[str, Any] = {"jpeg_bytes": min((laid_out / "val").iterdir()).read_bytes()}
    for block in blocks(page):
        place = f"{page}:{block.line}"
        for words in called.get(block.line, []):
            _call(place, words)
        if block.language == "python" and page not in OWN_TESTS:
            exec(compile(block.text, place, "exec"), names)
        _write(block, laid_out)
        if block.language == "yaml":
            _load(block)
    if page in STATED:
        STATED[page](names, laid_out)


def _call(place: str, words: list[str]) -> None:
    if words[0] != "sysnoise":
        assert words[0] in NOT_RUN, f"{place}: say in NOT_RUN why {words[0]!r} is not run"
        _look_up(place, words)
        return
    done = command(*words[1:])
    assert done.code == 0, f"{place}: {words}: {done.error}"


def _load(block: Block) -> None:
    """Read what a YAML block was saved as."""
    name = _yaml_file(block)
    if name == "grid.yaml":
        load_grid(name)
    else:
        load_config(name)


def _yaml_file(block: Block) -> str:
    tasks = {"task: classification": "classifier.yaml", "task: detection": "detector.yaml"}
    return tasks.get(block.text.splitlines()[0], "grid.yaml")


def _write(block: Block, folder: Path) -> None:
    """Put what the page shows into the file that its commands name."""
    if block.language == "yaml":
        (folder / _yaml_file(block)).write_text(block.text, "utf-8")
    if block.language == "bibtex":
        (folder / "set.bib").write_text(block.text, "utf-8")


def _look_up(place: str, words: list[str]) -> None:
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        assert {word for word in words[1:] if "=" not in word} <= set(targets), place
    if words[:2] == ["pip", "install"]:
        for extra in re.findall(r"^'?(?:\.|sysnoise)\[([\w,]+)\]'?$", "\n".join(words), re.M):
            assert set(extra.split(",")) <= _extras(), place


def _extras() -> set[str]:
    """The extras of setup.py, which is read and not run."""
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text("utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "extras_require":
            return set(ast.literal_eval(node.value))
    raise AssertionError("setup.py has no extras")


def test_commands_in_the_text_exist() -> None:
    """Subcommands, options, targets and extras; the rest of them are placeholders."""
    found = list(inline_commands())
    assert found
    for page, words in found:
        if words[0] == "sysnoise":
            dataset = ["imagenet"] if words[1] == "generate" else []
            shown = command(words[1], *dataset, "--help")
            assert shown.code == 0, (page, words)
            options = {word.partition("=")[0] for word in words if word.startswith("-")}
            assert options <= set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", shown.out)), (page, words)
        else:
            _look_up(page, words)


def test_commands_for_clusters_name_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """They are read, up to the images, which are not there."""
    called = [words for each in commands(CLUSTERS).values() for words in each]
    generating = [words for words in called if words[:2] == ["sysnoise", "generate"]]
    assert len(generating) == 7
    for _, *words in generating:
        away = [re.sub("(s3|gs)://", "/no/", word) for word in words]
        assert main(away) == 1, words
        images = away[2].removeprefix("--images=")
        absent = f"sysnoise: --images: {images!r} does not exist; expected a folder of images, "
        assert capsys.readouterr().err.startswith(absent)
    assert {words[0] for words in called} - {"sysnoise"} <= NOT_RUN.keys()


def _readme_holds(names: dict[str, Any], folder: Path) -> None:
    assert 'id="loss"' in (folder / "report.html").read_text("utf-8")
    assert [image.shape for image in names["pair"].images.values()] == [(224, 224, 3)] * 2
    stored = next(open_set("out/").iterate("ffmpeg/pillow-bilinear/rgb"))
    assert np.array_equal(names["pixels"], stored.image)


def _tutorial_holds(names: dict[str, Any], folder: Path) -> None:
    stated = names["noisy"].variants["ffmpeg/pillow-bilinear/rgb"]["difference"]["mean"]
    assert names["mean"] == pytest.approx(stated)
    assert read_manifest(folder / "noise") == read_manifest(folder / "again")
    assert len(read_manifest(folder / "noise")["variants"]) == 6
    assert (folder / "report.html").exists()
    assert 'id="loss"' in (folder / "evaluation.html").read_text("utf-8")


def _scoring_holds(names: dict[str, Any], folder: Path) -> None:
    """The evaluator covers every variant, and the table is that of its predictions."""
    rows = [json.loads(line) for line in (folder / "mean-color.jsonl").read_text().splitlines()]
    found = open_set("out/")
    assert len(rows) == 18 * len(found.variants)
    labels = {each.key: each.label for each in found.iterate(found.baseline)}
    right = [row["class"] == labels[row["key"]] for row in rows if row["setting"] == found.baseline]
    (model,) = json.loads((folder / "table.json").read_text("utf-8"))["models"]
    assert model["model"] == "mean-color"
    assert model["trained"]["top-1"] == pytest.approx(100 * np.mean(right))
    assert np.mean(right) > 0.5
    assert [cell["noise"] for cell in model["noises"]] == ["decode", "resize", "color"]
    assert sum(len(cell["methods"]) for cell in model["noises"]) == len(found.variants) - 1
    done = command("score", "coco/", "--predictions=truth/", "--format=json")
    (detector,) = json.loads(done.out)["models"]
    assert detector["trained"]["mAP"] == pytest.approx(100)
    source = (ROOT / "docs/scoring.md").read_text("utf-8").split("```python\n")[1].split("```")[0]
    assert len(source.splitlines()) <= 50


def _evaluating_holds(names: dict[str, Any], folder: Path) -> None:
    """The evaluator has the table of the command, as far as it goes, and fifty lines."""
    tables = []
    for predictions in ("own.jsonl", "predictions/classifier/"):
        done = command("score", "out/", f"--predictions={predictions}", "--format=json")
        (model,) = json.loads(done.out)["models"]
        tables.append((model["trained"], model["noises"][:3]))
    assert tables[0] == tables[1]
    assert [noise["noise"] for noise in tables[0][1]] == ["decode", "resize", "color"]
    assert tree(folder / "online") == tree(folder / "predictions" / "classifier")
    source = (
        (ROOT / "docs/evaluating.md").read_text("utf-8").split("```python\n")[1].split("```")[0]
    )
    assert len(source.splitlines()) <= 50


STATED = {
    "docs/evaluating.md": _evaluating_holds,
    "README.md": _readme_holds,
    "docs/tutorial.md": _tutorial_holds,
    "docs/scoring.md": _scoring_holds,
}
"""Checks of what a page says of its Python, by page."""


def test_a_decoder_is_added_as_the_page_says(laid_out: Path) -> None:
    """The page applied to a copy of the code: its own test, then its commands."""
    function, listed, test = ADDED[:3]
    assert len((function + listed).splitlines()) < 30
    line = next(line for line in listed.splitlines() if "Decoder(" in line)
    code = _copied_code(laid_out)
    _add(code / "codecs" / "decoders.py", "DECODERS = registry(\n    (\n", function, line)
    photograph = next((laid_out / "val").iterdir())
    name = test.split("(")[0].removeprefix("def ")
    check = f"{IMPORTS}\n{test}\n{name}(open({str(photograph)!r}, 'rb').read())\n"
    _run_in(code.parents[1], "-c", check)
    _make_a_set_as_the_page_does(laid_out, code.parents[1], "opencv-gray")


@pytest.mark.slow
def test_a_library_is_registered_as_the_page_says(laid_out: Path) -> None:
    build, listed, function = ADDED[3:6]
    code = _copied_code(laid_out)
    line = next(line for line in listed.splitlines() if "Library(" in line)
    begin = "LIBRARIES = {\n    each.name: each\n    for each in (\n"
    _add(code / "libraries.py", begin, build, line)
    (line,) = re.findall(r"^Its line in `DECODERS` is `(.+)`\.", (ROOT / ADDING).read_text(), re.M)
    decoders = "DECODERS = registry(\n    (\n"
    _add(code / "codecs" / "decoders.py", decoders, function, f"        {line},")
    method = _make_a_set_as_the_page_does(laid_out, code.parents[1], "imageio")
    assert method["build"] == {
        "version": importlib.metadata.version("imageio"),
        "pillow": importlib.metadata.version("pillow"),
    }


@pytest.mark.slow
def test_a_distribution_brings_a_decoder_as_the_page_says(laid_out: Path) -> None:
    (project,) = (each.text for each in blocks(ADDING) if each.language == "text")
    declared = tomllib.loads(project)["project"]
    installed = laid_out / "installed"
    installed.mkdir()
    write_distribution(
        installed,
        declared["name"],
        declared["entry-points"],
        ADDED[6],
        declared["version"],
        "red_camera",
    )
    path = f"{installed}{os.pathsep}{ROOT}"
    method = _make_a_set_as_the_page_does(laid_out, path, "opencv-red")
    assert method["distribution"] == "red-camera==1.0"
    assert "`red-camera==1.0`" in (ROOT / ADDING).read_text("utf-8")


ADDED = [each.text for each in blocks(ADDING) if each.language == "python"]
"""The Python of the page: a decoder, a library, and the module of another distribution."""


def _copied_code(folder: Path) -> Path:
    """Copy the code, and return the folder of its transforms."""
    shutil.copytree(ROOT / "sysnoise", folder / "code" / "sysnoise")  # The links as the folders.
    return folder / "code" / "sysnoise" / "transforms"


def _add(module: Path, begin: str, function: str, line: str) -> None:
    """Write a function before a registry, and a line into it."""
    before, found, after = module.read_text("utf-8").partition(begin)
    assert found, f"{module} has no {begin!r}"
    module.write_text(f"{before}{function}\n\n{begin}{line}\n{after}", "utf-8")


def _make_a_set_as_the_page_does(laid_out: Path, code: Path | str, decoder: str) -> dict[str, Any]:
    """Run the page's commands with a decoder in its grid, and return the decoder's identity."""
    block = next(each for each in blocks(ADDING) if each.language == "yaml")
    _write(dataclasses.replace(block, text=block.text.replace("opencv-gray", decoder)), laid_out)
    for words in (words for each in commands(ADDING).values() for words in each):
        _run_in(code, "-m", "sysnoise.pipelines.cli.main", *words[1:])
    variants = read_manifest(laid_out / "gray")["variants"]
    assert [each["decoder"]["name"] for each in variants] == ["pillow", decoder]
    assert variants[1]["difference"]["mean"] > 1 or decoder == "imageio"
    found: dict[str, Any] = variants[1]["decoder"]
    return found


IMPORTS = """
import cv2
import numpy as np
from sysnoise.transforms.codecs.decoders import decode
from sysnoise.transforms.codecs.encoded import EncodedImage"""


def _run_in(code: Path | str, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(code)}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """To files that are there, and to headings that they have."""
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"\]\((?!\w+://)([^)\s]+)\)", text):
        file, _, heading = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), f"{page}: {target}"
        if heading:
            assert heading in _anchors(path), f"{page}: {target}"


def _anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
