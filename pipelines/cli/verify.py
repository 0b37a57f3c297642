"""``sysnoise verify``: its arguments, and the problems that it prints."""

from __future__ import annotations

import argparse
import json
from typing import Any

from sysnoise.pipelines.cli.arguments import add_command, add_json, add_set, positive, variant_id
from sysnoise.pipelines.cli.output import print_lines
from sysnoise.pipelines.errors import DamageError, UsageError
from sysnoise.pipelines.planning.ranges import parse_range


def add_verify(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands, "verify", "check a finished set, or a part of it, against its manifest"
    )
    parser.set_defaults(run=_verify)
    add_set(parser)
    parser.add_argument(
        "--variant",
        action="append",
        type=variant_id,
        default=[],
        metavar="ID",
        help="only this variant, decoder/resize/color; may be repeated",
    )
    parser.add_argument(
        "--shards",
        type=parse_range,
        metavar="A:B",
        help="only the shards from A up to but not including B; A or B may be left out",
    )
    parser.add_argument(
        "--pixels",
        action="store_true",
        help="also decode every image and compare it with its pixel digest",
    )
    parser.add_argument(
        "--regenerate",
        type=positive,
        metavar="K",
        help="also make K random samples again from their sources",
    )
    parser.add_argument(
        "--images", metavar="PATH", help="the sources for --regenerate, as generate took them"
    )
    parser.add_argument(
        "--recipe",
        metavar="URL",
        help="also compare it, file by file, with another set or one published without images",
    )
    add_json(parser)


def _verify(arguments: argparse.Namespace) -> None:
    if (arguments.regenerate is None) != (arguments.images is None):
        raise UsageError("--regenerate and --images go together")
    from sysnoise.pipelines.verification.request import Depth, Regeneration, VerificationRequest
    from sysnoise.pipelines.verification.verify import verify

    regeneration = None
    if arguments.images:
        regeneration = Regeneration(arguments.regenerate, arguments.images)
    request = VerificationRequest(
        variants=tuple(arguments.variant),
        shards=arguments.shards,
        depth=Depth.PIXELS if arguments.pixels else Depth.FILES,
        regeneration=regeneration,
        recipe=arguments.recipe,
    )
    result = verify(arguments.set, request)
    if arguments.json:
        print(json.dumps(result.document(), indent=2))
    else:
        print_lines(result.lines())
    if result.problems:
        raise DamageError(f"{result.summary()}\n{result.remedy}")
    if not arguments.json:
        print(result.summary())
