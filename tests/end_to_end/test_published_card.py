"""What a publisher puts on the card: title, author, picture, and where the set is read from."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import DatasetCard
from PIL import Image

from tests.end_to_end.commands import command
from tests.end_to_end.damage import flip_bit
from tests.end_to_end.reading import decode_image, manifest, read_tars, samples_table, tree
from tests.servers import Server, http_server

GRID = """\
decoders: [pillow, ffmpeg]
resizes: [pillow-bilinear, opencv-nearest, opencv-area]
colors: [rgb, nv12-bt601]
geometry: shorter256-crop224
combine: one-factor
"""
BASELINE = "pillow/pillow-bilinear/rgb"
NOISIEST = (
    "ffmpeg/pillow-bilinear/rgb",
    "pillow/opencv-nearest/rgb",
    "pillow/pillow-bilinear/nv12-bt601",
)


@pytest.fixture(scope="module")
def noisy(imagenet_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five variants of six photographs in three shards."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "grid.yaml").write_text(GRID, "utf-8")
    done = command(
        *("generate", "imagenet", f"--images={imagenet_source / 'images'}", "--limit=6"),
        *(f"--label-file={imagenet_source / 'val.txt'}", f"--grid={folder / 'grid.yaml'}"),
        *(f"--output={folder / 'set'}", "--samples-per-shard=2", "--workers=1"),
    )
    assert done.code == 0, done.error
    return folder / "set"


@pytest.fixture
def found(noisy: Path, tmp_path: Path) -> Path:
    return shutil.copytree(noisy, tmp_path / "set")


def card(folder: Path) -> str:
    return (folder / "README.md").read_text("utf-8")


def croissant(folder: Path) -> dict[str, object]:
    return dict(json.loads((folder / "croissant.json").read_text("utf-8")))


def given(folder: Path, *options: str) -> str:
    """Write the card and return what the command prints."""
    done = command("card", str(folder), *options)
    assert done.code == 0, done.error
    assert command("verify", str(folder)).code == 0
    return done.out


def validated(folder: Path) -> str:
    program = [str(Path(sys.executable).parent / "mlcroissant"), "validate", "--jsonld"]
    done = subprocess.run(
        [*program, str(folder / "croissant.json")], capture_output=True, text=True, check=True
    )
    return done.stderr


def test_a_set_of_own_photographs_is_not_called_imagenet(found: Path) -> None:
    front = DatasetCard.load(found / "README.md").data
    assert front.pretty_name == "SysNoise val: 6 images in 5 variants"
    assert f"\n# {front.pretty_name}\n" in card(found)
    document = croissant(found)
    assert document["name"] == front.pretty_name
    assert "prov:wasDerivedFrom" not in document
    assert "ImageNet" not in str(document["keywords"])
    assert "| source |" not in card(found)


def test_title_author_and_contact_are_kept(found: Path) -> None:
    options = ("--title=Noisy *photographs*", "--author=Bär & Söhne", "--contact=a.b@example.org")
    given(found, *options)
    given(found, "--date=2026-11-25")
    text = card(found)
    assert DatasetCard.load(found / "README.md").data.pretty_name == "Noisy *photographs*"
    assert "By Bär & Söhne, <a.b@example.org>. Version 1.0.0, 2026-11-25." in text
    document = croissant(found)
    assert document["name"] == "Noisy *photographs*"
    assert document["creator"] == {
        "@type": "sc:Person",
        "name": "Bär & Söhne",
        "email": "a.b@example.org",
    }
    told = validated(found)
    assert "warning" not in told.lower()
    given(found, "--contact=https://example.org/people")
    assert "By Bär & Söhne, <https://example.org/people>." in card(found)


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--title="], 2, "expected one line of up to 200 characters, found ''"),
        (["--title=a\nb"], 2, "expected one line of up to 200 characters"),
        (["--author=" + "x" * 201], 2, "expected one line of up to 200 characters"),
        (["--contact=Jane"], 2, "expected a mail or web address, found 'Jane'"),
        (["--contact=a@example.org"], 1, "without an author; give both"),
        (["--picture=../x"], 2, "expected the key of a sample, found '../x'"),
        (["--picture=nothing"], 2, "has no sample 'nothing'; samples/ names those that it has"),
        (["--url=s3://bucket/a b"], 2, "or s3:// or gs:// with bucket and folder"),
    ],
    ids=["empty", "lines", "long", "contact", "alone", "key", "unknown", "bucket"],
)
def test_what_cannot_stand_on_a_card_is_refused(
    options: list[str], code: int, told: str, found: Path
) -> None:
    before = tree(found)
    done = command("card", str(found), *options)
    assert done.code == code
    assert told in done.error
    assert tree(found) == before


def test_the_picture_is_drawn_from_the_stored_images(found: Path) -> None:
    key = samples_table(found)[3]["key"]
    told = given(found, f"--picture={key}")
    assert told == f"{found}: wrote README.md, croissant.json, noise.png and SHA256SUMS\n"
    with Image.open(found / "noise.png") as image:
        pixels = np.asarray(image).astype(int)
    images = [decode_image(read_tars(found, each)[key]["png"]) for each in (BASELINE, *NOISIEST)]
    upper, lower = pixels[:224], pixels[228:]
    for place, expected in enumerate(images):
        columns = slice(place * 228, place * 228 + 224)
        np.testing.assert_array_equal(upper[:, columns], expected)
        if place:
            change = 16 * np.abs(expected.astype(int) - images[0])
            np.testing.assert_array_equal(lower[:, columns], np.minimum(255, change))
    text = card(found)
    assert "](noise.png)\n" in text
    others = ", ".join(f"`{each}`" for each in NOISIEST)
    assert f"`{key}`. In the upper row: the baseline `{BASELINE}`, then {others}. Below" in text
    assert "  noise.png\n" in (found / "SHA256SUMS").read_text("utf-8")
    assert "warning" not in validated(found).lower().replace("1 warning(s)", "")


def test_the_picture_is_kept_drawn_again_and_removed(found: Path, noisy: Path) -> None:
    given(found, "--picture")
    first = samples_table(found)[0]["key"]
    assert f"The middle of `{first}`" in card(found)
    before = tree(found)
    (found / "noise.png").unlink()
    missing = command("verify", str(found))
    assert missing.code == 1
    assert "noise.png: missing; 'sysnoise card' writes it again" in missing.out
    given(found)
    assert tree(found) == before
    flip_bit(found / "noise.png")
    damaged = command("verify", str(found))
    assert re.search(r"noise\.png: its sha256 is \w+, SHA256SUMS says \w+", damaged.out)
    given(found)
    assert tree(found) == before
    given(found, "--picture=none")
    assert tree(found) == tree(noisy)


def test_a_recipe_has_no_picture_and_a_part_has(found: Path, tmp_path: Path) -> None:
    given(found, "--picture", "--title=Noisy")
    recipe, part, whole = (tmp_path / each for each in ("recipe", "part", "whole"))
    assert command("publish", str(found), str(recipe), "--recipe-only").code == 0
    assert not (recipe / "noise.png").exists()
    assert "noise.png" not in card(recipe) + (recipe / "croissant.json").read_text("utf-8")
    assert "\n# Noisy\n" in card(recipe)
    refused = command("card", str(recipe), "--picture")
    assert refused.code == 2
    assert "holds no images of" in refused.error
    with http_server(found) as server:
        fetched = command("fetch", server.url, str(part), f"--variant={BASELINE}")
    assert fetched.code == 0, fetched.error
    assert (part / "noise.png").read_bytes() == (found / "noise.png").read_bytes()
    given(part, "--date=2026-11-25")  # The picture cannot be drawn again here.
    assert (part / "noise.png").read_bytes() == (found / "noise.png").read_bytes()
    assert command("publish", str(found), str(whole)).code == 0
    assert tree(whole) == tree(found)
    given(found, "--picture=none")
    assert command("publish", str(found), str(whole)).code == 0
    assert tree(whole) == tree(found)  # What is gone here is removed there.


def test_a_grown_set_has_no_picture(found: Path, imagenet_source: Path, tmp_path: Path) -> None:
    given(found, "--picture")
    larger = GRID.replace("opencv-area]", "opencv-area, pillow-bicubic]")
    (tmp_path / "grid.yaml").write_text(larger, "utf-8")
    done = command(
        *("generate", "imagenet", f"--images={imagenet_source / 'images'}", "--limit=6"),
        *(f"--label-file={imagenet_source / 'val.txt'}", f"--grid={tmp_path / 'grid.yaml'}"),
        *(f"--output={found}", "--samples-per-shard=2", "--workers=1", "--add-variants"),
    )
    assert done.code == 0, done.error
    assert manifest(found)["counts"]["variants"] == 6
    assert not (found / "noise.png").exists()
    assert command("verify", str(found)).code == 0


def test_the_hub_is_named_where_it_is_known(found: Path) -> None:
    url = "https://huggingface.co/datasets/jane/noise"
    told = given(found, f"--url={url}")
    assert told.splitlines() == [
        f"{found}: wrote README.md, croissant.json and SHA256SUMS",
        f"upload it: hf upload jane/noise {found} . --repo-type dataset",
    ]
    text = card(found)
    assert "```sh\nhf download jane/noise --repo-type dataset --local-dir noise\n```" in text
    assert 'load_dataset("jane/noise", "' in text
    assert 'glob.glob("noise/variants/' in text
    assert 'open_set("noise")' in text
    assert "sysnoise verify noise\n" in text
    assert "PATH" not in text
    assert "upload it" not in given(found, "--url=https://example.org/noise")
    assert 'open_set("PATH")' in card(found)


def examples(text: str, language: str) -> Iterator[str]:
    for each in text.split(f"```{language}\n")[1:]:
        yield each.partition("```")[0]


def test_the_examples_of_a_set_in_a_bucket_run_as_they_are(
    noisy: Path, s3: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert s3.url
    done = command("publish", str(noisy), "s3://bucket/sets/photographs")
    assert done.code == 0, done.error
    monkeypatch.chdir(tmp_path)
    fetched = command("fetch", "s3://bucket/sets/photographs", "first")
    assert fetched.code == 0, fetched.error
    text = card(tmp_path / "first")
    line = next(examples(text, "sh")).strip()
    assert line == "sysnoise fetch s3://bucket/sets/photographs photographs"
    assert command(*line.split()[1:]).code == 0
    assert tree(tmp_path / "photographs") == tree(tmp_path / "first")
    python = list(examples(text, "python"))
    assert len(python) == 3
    program = "\n".join([*python, "assert dataset and sample and pair"])
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "HF_HOME": str(tmp_path / "hub")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    given(tmp_path / "photographs", "--url=https://example.org/noise")
    assert command("publish", "photographs", "s3://bucket/elsewhere").code == 0
    assert command("fetch", "s3://bucket/elsewhere", "second").code == 0
    assert "https://example.org/noise" in card(tmp_path / "second")


@pytest.mark.parametrize("kind", ["imagenet", "coco"])
def test_columns_are_named_as_each_reader_names_them(
    kind: str, imagenet_set: Path, coco_set: Path
) -> None:
    text = card(imagenet_set if kind == "imagenet" else coco_set)
    table = text.partition("| what |")[2].partition("\n\n")[0].splitlines()
    assert table[0] == " WebDataset | Parquet | `sysnoise` |"
    image = manifest(imagenet_set)["image_format"]["name"] if kind == "imagenet" else "png"
    assert table[2] == "| key | `__key__` | `key` | `key` |"
    assert table[3] == f"| image | `{image}` | `image` | `images`, by variant |"
    labels = [line for line in table if "`cls`" in line]
    assert len(labels) == (kind == "imagenet")
