"""What others get: the wheel and its page on the index, the Dockerfile, the citation."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from packaging.metadata import Metadata
from packaging.requirements import Requirement

from sysnoise.manifests import publication
from tests.pages import PAGES, ROOT, commands

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
FOLDERS = ("transforms", "manifests", "pipelines")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel that the Dockerfile builds, from the files that it copies."""
    folder = tmp_path_factory.mktemp("docker")
    for line in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE):
        *sources, target = line.split()
        for source in (path for pattern in sources for path in ROOT.glob(pattern)):
            copy(source, folder / target.removeprefix("/"), target.endswith("/"))
    code = f"import setuptools.build_meta as backend; backend.build_wheel({str(folder)!r})"
    subprocess.run(
        [sys.executable, "-c", code], cwd=folder / "source", capture_output=True, check=True
    )
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def copy(source: Path, target: Path, is_folder: bool) -> None:
    """Copy as Docker's COPY does."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        return
    if is_folder:
        target /= source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Metadata:
    """The metadata of the wheel, which must be valid."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Metadata.from_email(wheel.read(name), validate=True)


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", *FOLDERS, "sysnoise"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    expected = {
        f"sysnoise/{name}" if name.partition("/")[0] in FOLDERS else name
        for name in tracked
        if not (ROOT / name).is_symlink()
    }
    assert len(expected) > 200
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == expected


def test_the_metadata_says_what_a_user_asks(metadata: Metadata) -> None:
    assert metadata.requires_python == ">=3.11"
    assert metadata.license_expression == "Apache-2.0"
    assert metadata.author
    assert metadata.keywords
    others = {name: url for name, url in (metadata.project_urls or {}).items() if name != "Paper"}
    assert others.keys() == {"Documentation", "Changelog", "Issues"}
    assert metadata.home_page
    assert all(url.startswith(f"{metadata.home_page}/") for url in others.values())


class Links(HTMLParser):
    """The addresses that a page leads to or shows."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attributes if name in ("href", "src")]


def test_the_page_of_the_index_leads_somewhere(metadata: Metadata) -> None:
    """The index renders it, which ``twine check --strict`` asks, and it has no file beside it."""
    from readme_renderer import markdown

    assert metadata.description_content_type == "text/markdown"
    page = markdown.render(metadata.description or "")
    assert page is not None
    links = Links()
    links.feed(page)
    assert len(links.found) > 10
    assert [link for link in links.found if not link.startswith(("https://", "#"))] == []
    own = [link for link in links.found if link.startswith(f"{metadata.home_page}/")]
    assert own
    files = [re.sub(r"#.*|.*?/(blob|raw)/main/", "", link) for link in own]
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_the_images_have_the_versions_of_the_package(metadata: Metadata) -> None:
    (sdk,) = re.findall(r"^FROM apache/beam_python([\d.]+)_sdk:([\d.]+) AS", DOCKERFILE, re.M)
    pythons = re.findall(r"^FROM python:([\d.]+)-slim AS", DOCKERFILE, re.M)
    assert {*pythons} == {sdk[0]}
    (beam,) = (
        each
        for each in map(Requirement, map(str, metadata.requires_dist or ()))
        if each.name == "apache-beam"
    )
    assert beam.specifier.contains(sdk[1])
    stages = {*re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.M)}
    assert {*re.findall(r"--from=(\w+)", DOCKERFILE)} <= stages
    extras = {
        each for found in re.findall(r"\[([\w,]+)\]\"", DOCKERFILE) for each in found.split(",")
    }
    assert extras <= {*(metadata.provides_extra or ())}
    targets = [
        words[words.index("--target") + 1]
        for page in PAGES
        for each in commands(page).values()
        for words in each
        if words[:2] == ["docker", "build"] and "--target" in words
    ]
    assert targets == ["workers"]
    assert {*targets} < stages


def test_the_citation_is_that_of_the_package(metadata: Metadata) -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation.keys() >= {"message", "title", "authors"}
    assert citation["version"] == str(metadata.version)
    assert citation["license"] == metadata.license_expression
    assert [each["name"] for each in citation["authors"]] == [metadata.author]
    (paper,) = citation["references"]
    names = [f"{each['family-names']}, {each['given-names']}" for each in paper["authors"]]
    (bibtex,) = re.findall(r"author = \{(.+?)\},\n", publication._SYSNOISE, re.DOTALL)
    assert names == re.split(r"\s+and\s+", bibtex)
    assert paper["url"] == "https://arxiv.org/abs/2307.00280"
    assert f"year = {{{paper['year']}}}" in publication._SYSNOISE
