"""Checking sets wherever they and their sources lie; ``tests/end_to_end`` damages them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from sysnoise.manifests.grids.grid_file import parse_grid
from sysnoise.pipelines.cli.main import main
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.generation.finish import finish
from sysnoise.pipelines.planning.plan import PlanOptions, make_plan, write_plan
from sysnoise.pipelines.planning.ranges import Range
from sysnoise.pipelines.readers.access import source_reader
from sysnoise.pipelines.storage.root import open_output
from sysnoise.pipelines.verification.checked_file import FileProblem
from sysnoise.pipelines.verification.request import Regeneration, VerificationRequest
from sysnoise.pipelines.verification.verify import verify
from sysnoise.transforms.pixels import Pixels
from tests.making import make_shards
from tests.pipelines.readers.layouts import LAYOUTS, Build, Layout, published

GRID = """
decoders: [pillow, ffmpeg]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: {rule: shorter-side, size: 64, crop: 48}
"""


def make_set(layout: Layout, base: Path, url: str) -> None:
    """Make a set of three shards or four, without the pipeline; five samples are two per shard."""
    source = layout.read(str(base))
    samples_per_shard = max(2, source.table.num_rows // 3)
    grid = parse_grid(GRID, "grid.yaml", "grid")
    plan = make_plan(source, grid, PlanOptions(samples_per_shard=samples_per_shard))
    output = open_output(url)
    write_plan(plan, source, output)
    read = source_reader(source.root, image_column=source.image_column)
    make_shards(plan, range(plan.shards), read, output)
    finish(plan, output, max_rejects=plan.samples)


@pytest.mark.parametrize("build", LAYOUTS, ids=lambda build: build.__name__)
def test_samples_are_made_again_from_every_layout(
    build: Build, photos: dict[str, Pixels], tmp_path: Path
) -> None:
    (tmp_path / "source").mkdir()
    layout = build(tmp_path / "source", published(photos))
    make_set(layout, tmp_path / "source", str(tmp_path / "set"))
    images = f"{tmp_path / 'source'}/{layout.images}"
    report = verify(
        str(tmp_path / "set"), VerificationRequest(regeneration=Regeneration(9, images))
    )
    assert (report.problems, report.notes) == ((), ())


def test_samples_are_made_again_only_of_the_part(photos: dict[str, Pixels], tmp_path: Path) -> None:
    layout = LAYOUTS[0](tmp_path / "source", published(photos))
    make_set(layout, tmp_path / "source", str(tmp_path / "set"))
    images = tmp_path / "source" / layout.images
    for path in sorted(images.rglob("*.JPEG"))[:2]:
        path.unlink()
    regeneration = Regeneration(9, str(images))
    others = VerificationRequest(shards=Range(1), regeneration=regeneration)
    assert verify(str(tmp_path / "set"), others).problems == ()
    first = verify(
        str(tmp_path / "set"), VerificationRequest(shards=Range(0, 1), regeneration=regeneration)
    )
    assert [problem.path for problem in first.problems] == ["samples/00000-of-00003.parquet"] * 2
    few = VerificationRequest(shards=Range(0, 1), regeneration=Regeneration(1, str(images)))
    assert len(verify(str(tmp_path / "set"), few).problems) == 1


def test_memory_is_checked_like_a_folder(coco_set: Path, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    url = f"memory://{tmp_path.name}"
    memory.put(f"{coco_set}/", url, recursive=True)
    assert verify(url, VerificationRequest()).problems == ()
    one, other = (
        f"variants/pillow/pillow-nearest/rgb/demo-0000{n}-of-00003.parquet" for n in (0, 1)
    )
    memory.pipe_file(f"{url}/{one}", (coco_set / other).read_bytes())
    memory.pipe_file(f"{url}/{other}", (coco_set / one).read_bytes())
    memory.pipe_file(f"{url}/notes.txt", b"")
    assert verify(url, VerificationRequest()).problems == (
        FileProblem("notes.txt", "is not a file of this set; delete or move it"),
        FileProblem(one, f"holds the bytes of {other!r}"),
        FileProblem(other, f"holds the bytes of {one!r}"),
    )
    memory.rm(url, recursive=True)


def test_a_zip_file_of_a_set_is_checked_like_a_folder(coco_set: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "set"), "zip", coco_set)
    report = verify(str(tmp_path / "set.zip"), VerificationRequest())
    assert (report.problems, report.files) == ((), sum(map(Path.is_file, coco_set.rglob("*"))))


def test_nothing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "nothing")]) == 1
    assert capsys.readouterr().err == f"sysnoise: '{tmp_path / 'nothing'}' does not exist\n"


def test_missing_sources_are_named(coco_set: Path, tmp_path: Path) -> None:
    regeneration = Regeneration(1, str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="nothing' does not exist"):
        verify(str(coco_set), VerificationRequest(regeneration=regeneration))


def test_neither_beam_nor_the_codecs_of_the_set_are_loaded(coco_set: Path) -> None:
    script = (
        "import sys\nfrom sysnoise.pipelines.cli.main import main\n"
        f"assert main(['verify', {str(coco_set)!r}, '--pixels']) == 0\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "sysnoise.pipelines.verification.verify" in loaded
    assert loaded.isdisjoint({"apache_beam", "av", "cv2", "simplejpeg"})
