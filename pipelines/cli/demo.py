"""``sysnoise demo``: two small sets from shipped photographs, and their reports.

All of it is made by the command itself.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from sysnoise.manifests.junk import is_junk
from sysnoise.pipelines.cli.arguments import add_command
from sysnoise.pipelines.errors import OutputError, ShardError

SETS = ("imagenet", "coco")

READING = """
Read a shard with WebDataset (pip install webdataset):

    import webdataset as wds
    variant = "ffmpeg/pillow-bilinear/rgb"
    shards = f"{output}/imagenet/variants/{{variant}}/val-00000-of-00001.tar"
    for sample in wds.WebDataset(shards, shardshuffle=False).decode("rgb8"):
        print(sample["__key__"], sample["cls"], sample["png"].shape)

or with Hugging Face datasets (pip install datasets), which decodes the images of Parquet shards:

    from datasets import load_dataset
    files = f"{output}/imagenet/variants/{{variant}}/*.parquet"
    print(load_dataset("parquet", data_files=files, split="train")[0])

The digests of all images, side by side for all variants: {output}/imagenet/samples/*.parquet"""

LOOKING = """
What to look at, in a browser:

    {output}/imagenet.html  what each decoder, resize and color changes, with pictures
    {output}/coco.html      the same of images with boxes

{output}/imagenet/README.md describes the set to those who get it."""


def add_demo(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands, "demo", "generate two small sets from shipped photographs, with reports"
    )
    parser.set_defaults(run=_demo)
    parser.add_argument("--output", default="demo", metavar="PATH", help="default: %(default)s")


def _demo(arguments: argparse.Namespace) -> None:
    run_demo(arguments.output)


def run_demo(output: str) -> None:
    """Write an ImageNet and a COCO layout of shipped photographs, and both sets and reports.

    Args:
        output: folder that does not exist, or an empty one.

    Raises:
        UsageError: the extra ``demo`` is not installed; nothing is written then.
        OutputError: the folder is not empty.
        ShardError: a generation, or a report, failed.
    """
    from sysnoise.pipelines.cli.photographs import write_coco, write_imagenet

    root = Path(output)
    if root.exists() and not (root.is_dir() and all(is_junk(each.name) for each in root.iterdir())):
        raise OutputError(
            f"the output {output!r} is not an empty folder; remove it or give another path"
        )
    write_imagenet(root / "source" / "imagenet")
    write_coco(root / "source" / "coco")
    _make_sets(root)
    for name in SETS:
        _run("report", str(root / name), f"--output={root / name}.html")
    print(READING.format(output=output))
    print(LOOKING.format(output=output))


def _make_sets(root: Path) -> None:
    source = root / "source"
    _run(
        "generate",
        "imagenet",
        f"--images={source / 'imagenet' / 'images'}",
        f"--label-file={source / 'imagenet' / 'val.txt'}",
        f"--classes={_write_classes(source / 'imagenet' / 'classes.txt')}",
        f"--output={root / 'imagenet'}",
        "--grid=imagenet-one-factor",
        "--format=both",
        "--workers=1",  # There is one shard.
    )
    _run(
        "generate",
        "coco",
        f"--images={source / 'coco' / 'images'}",
        f"--annotations={source / 'coco' / 'instances_demo.json'}",
        f"--output={root / 'coco'}",
        "--grid=coco-published",
        "--format=both",
        "--workers=2",  # And here are two.
    )


def _write_classes(path: Path) -> Path:
    """Write ImageNet's classes in the order of the labels."""
    from sysnoise.manifests.imagenet_classes import imagenet_classes  # It loads Arrow.

    lines = (f"{each.wnid}\t{each.name}\n" for each in imagenet_classes())
    path.write_text("".join(lines), "utf-8")
    return path


def _run(*arguments: str) -> None:
    """Run the command as a user would, in a process of its own."""
    import subprocess  # Other commands start without it.

    print(f"\n$ sysnoise {shlex.join(arguments)}", flush=True)
    # -P keeps the user's own modules out of the import path.
    command = [sys.executable, "-P", "-m", "sysnoise.pipelines.cli.main"]
    if subprocess.run([*command, *arguments], check=False).returncode != 0:
        raise ShardError("the demo's run failed; see the message above")
