"""``sysnoise export``: its arguments, and the folders that it makes."""

from __future__ import annotations

import argparse
from typing import Any

from sysnoise.pipelines.cli.arguments import add_command, add_set, variant_id
from sysnoise.pipelines.cli.output import print_lines

LAYOUTS = ("imagefolder", "coco", "yolo", "timm-wds", "dali")
"""The layouts: the values of :class:`sysnoise.pipelines.export.export.ExportLayout`."""


def add_export(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands, "export", "write variants of a finished set as folders that other tools read"
    )
    parser.set_defaults(
        run=_export, resume_hint="run the same command again: finished folders are kept"
    )
    add_set(parser)
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        required=True,
        help="class folders (torchvision, timm); images and annotations (pycocotools); images, "
        "labels and data.yaml (Ultralytics); tars with timm's _info.json; tars with DALI's indices",
    )
    parser.add_argument(
        "--variant",
        action="append",
        type=variant_id,
        required=True,
        metavar="ID",
        help="this variant, by id or slug; may be repeated, and files that several share are hard "
        "links",
    )
    parser.add_argument(
        "--to",
        required=True,
        metavar="DIR",
        help="the folder in which each variant gets a folder, named by its slug",
    )


def _export(arguments: argparse.Namespace) -> None:
    from sysnoise.pipelines.export.export import ExportLayout, export

    exported = export(
        arguments.set, ExportLayout(arguments.layout), arguments.variant, arguments.to
    )
    print_lines(each.summary() for each in exported)
