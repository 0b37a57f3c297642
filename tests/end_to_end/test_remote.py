"""Sets on S3 and in memory, and sources on the web and in archives, equal the local ones."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from sysnoise.pipelines.cli.main import main
from sysnoise.pipelines.cli.photographs import write_imagenet
from tests.conftest import Command
from tests.end_to_end.commands import command
from tests.end_to_end.reading import tree
from tests.servers import Fault, Server, http_server, plain_http_server, s3_client, s3_objects

PHOTOGRAPHS = 4
GRID = """\
decoders: [pillow, simplejpeg-fastdct]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: shorter256-crop224
"""


def coco_arguments(source: Path, output: str) -> list[str]:
    """The arguments of the fixture ``coco_set``."""
    return [
        *("generate", "coco", "--grid=coco-published", "--format=both", "--samples-per-shard=7"),
        *(f"--images={source / 'images'}", f"--annotations={source / 'instances_demo.json'}"),
        f"--output={output}",
    ]


def s3_tree(server: Server, prefix: str) -> dict[str, str]:
    objects = s3_objects(server, prefix)
    return {path: hashlib.sha256(objects[path]).hexdigest() for path in sorted(objects)}


@pytest.mark.slow
def test_a_set_on_s3_equals_the_local_one(
    coco_source: Path, coco_set: Path, s3: Server, sysnoise: Command
) -> None:
    arguments = coco_arguments(coco_source, "s3://bucket/equal")
    s3.faults += [Fault("PUT .*00001-of-00003.tar", 503, 1), Fault("GET .*/plan.json", 500, 1)]
    done = sysnoise(*arguments)
    assert done.returncode == 0, done.stderr
    assert s3_tree(s3, "equal") == tree(coco_set)
    told = [line for line in done.stderr.splitlines() if "trying again" in line]
    assert all(line.startswith("sysnoise: WARNING: ") for line in told)
    assert any("writing 's3://bucket/equal/variants/" in line for line in told)
    assert any("reading 's3://bucket/equal/plan.json'" in line for line in told)
    s3.requests.clear()
    again = sysnoise(*arguments)
    assert again.returncode == 0, again.stderr
    assert s3.seen("^(PUT|POST|DELETE)") == []


def test_a_set_in_memory_equals_the_local_one(coco_source: Path, coco_set: Path) -> None:
    assert main(coco_arguments(coco_source, "memory://equal")) == 0
    memory = fsspec.filesystem("memory")
    found = memory.find("/equal")
    digests = {path: hashlib.sha256(memory.cat_file(path)).hexdigest() for path in found}
    assert {path.removeprefix("/equal/"): digests[path] for path in found} == tree(coco_set)


def test_an_upload_that_fails_for_good_ends_the_run_and_the_rerun_completes_it(
    coco_source: Path, coco_set: Path, s3: Server
) -> None:
    arguments = [*coco_arguments(coco_source, "s3://bucket/broken"), "--workers=1"]
    failing = "variants/pillow/pillow-nearest/rgb/demo-00001-of-00003.parquet"
    s3.faults.append(Fault(f"PUT .*{failing}", 403))
    failed = command(*arguments)
    assert failed.code == 1
    lines = failed.error.splitlines()
    assert "sysnoise: stopped with 1 of 3 shards done:" in lines
    assert lines[-1] == (
        f"  writing 's3://bucket/broken/{failing}': told to; fix that and run the same command "
        "again, without --overwrite: finished shards are kept"
    )
    local = tree(coco_set)
    stored = s3_objects(s3, "broken")
    assert failing not in stored
    assert [path for path in stored if path.startswith("receipts/")] == [
        "receipts/00000-of-00003.json"
    ]
    assert "manifest.json" not in stored
    visible = {path: data for path, data in s3_tree(s3, "broken").items() if path[:7] != "stamps/"}
    assert visible.items() <= local.items()  # What is visible is whole.
    receipt = json.loads(stored["receipts/00000-of-00003.json"])
    assert {row["path"] for row in receipt["files"]} <= stored.keys()
    s3.faults.clear()
    s3.requests.clear()
    done = command(*arguments)
    assert done.code == 0, done.error
    assert s3_tree(s3, "broken") == local
    assert s3.seen("PUT .*00000-of-00003") == []


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize(
    ("options", "without"), [([], ""), (["--overwrite"], ", without --overwrite")]
)
def test_a_bucket_that_does_not_exist_is_named(
    options: list[str], without: str, coco_source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*coco_arguments(coco_source, "s3://nowhere/set"), *options]) == 1
    assert capsys.readouterr().err == (
        "sysnoise: writing 's3://nowhere/set/sources.parquet': The specified bucket does not "
        f"exist; fix that and run the same command again{without}: finished shards are kept\n"
    )


def test_sources_on_s3_equal_local_ones(
    coco_source: Path, coco_set: Path, s3: Server, tmp_path: Path
) -> None:
    client = s3_client(s3)
    for path in tree(coco_source):
        client.upload_file(str(coco_source / path), "bucket", f"source/{path}")
    arguments = coco_arguments(coco_source, str(tmp_path / "set"))
    done = command(*(text.replace(str(coco_source), "s3://bucket/source") for text in arguments))
    assert done.code == 0, done.error
    assert tree(tmp_path / "set") == tree(coco_set)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``the images`` with names that URLs must quote, ``val.txt``, ``val.zip`` and ``val.tar``."""
    folder = tmp_path_factory.mktemp("web")
    write_imagenet(folder / "source", crops=PHOTOGRAPHS, seed=2)
    (folder / "grid.yaml").write_text(GRID, "utf-8")
    (folder / "the images").mkdir()
    lines = []
    with (
        zipfile.ZipFile(folder / "val.zip", "w") as zipped,
        tarfile.open(folder / "val.tar", "w") as tarred,
    ):
        for number, line in enumerate((folder / "source" / "val.txt").read_text().splitlines()):
            name, label = line.split()
            quoted = f"{number} at 100%25 {name}"
            shutil.copy(folder / "source" / "images" / name, folder / "the images" / quoted)
            zipped.write(folder / "the images" / quoted, f"val/{quoted}")
            tarred.add(folder / "the images" / quoted, quoted)
            lines.append(f"{quoted} {label}\n")
    (folder / "val.txt").write_text("".join(lines), "utf-8")
    return folder


@pytest.fixture(scope="module")
def web_server(web: Path) -> Iterator[Server]:
    """The folder over HTTP."""
    with http_server(web) as server:
        yield server


@pytest.fixture(scope="module")
def plain_server(web: Path) -> Iterator[Server]:
    """The folder over HTTP, without parts of files."""
    with plain_http_server(web) as server:
        yield server


def web_arguments(web: Path, images: str, labels: str, output: Path) -> list[str]:
    return [
        *("generate", "imagenet", f"--images={images}", f"--label-file={labels}"),
        *(f"--grid={web / 'grid.yaml'}", f"--output={output}", "--workers=1"),
    ]


@pytest.fixture(scope="module")
def local_set(web: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digests of the set of ``the images``, read from the local folder."""
    output = tmp_path_factory.mktemp("local") / "set"
    done = command(*web_arguments(web, f"{web}/the images", f"{web}/val.txt", output))
    assert done.code == 0, done.error
    return tree(output)


@pytest.mark.parametrize(
    "images",
    ["{plain}/the images/", "zip://val/::{web}/val.zip", "tar://::{here}/val.tar"],
)
def test_sources_on_the_web_and_in_archives_equal_local_ones(
    images: str,
    web: Path,
    web_server: Server,
    plain_server: Server,
    local_set: dict[str, str],
    tmp_path: Path,
) -> None:
    url = images.format(web=web_server.url, plain=plain_server.url, here=web)
    output = tmp_path / "set"
    done = command(*web_arguments(web, url, f"{web_server.url}/val.txt", output))
    assert done.code == 0, done.error
    assert tree(output) == local_set


def test_a_tar_on_the_web_gives_the_same_samples(
    web: Path, web_server: Server, local_set: dict[str, str], tmp_path: Path
) -> None:
    url = f"{web_server.url}/val.tar"
    output = tmp_path / "set"
    done = command(*web_arguments(web, url, f"{web_server.url}/val.txt", output))
    assert done.code == 0, done.error
    data = ("variants/", "samples/")  # The table of sources says where in the tar they stand.
    same = {path: value for path, value in local_set.items() if path.startswith(data)}
    assert {path: value for path, value in tree(output).items() if path in same} == same


def test_a_tar_on_a_web_server_without_parts_of_files_is_refused(
    web: Path, plain_server: Server, tmp_path: Path
) -> None:
    url = f"{plain_server.url}/val.tar"
    done = command(*web_arguments(web, url, f"{web}/val.txt", tmp_path / "set"))
    assert done.code == 1
    assert f"'{url}': the server sends only whole files, no parts; download" in done.error
