"""``sysnoise publish`` and ``sysnoise fetch``: their arguments, and copies of a set."""

from __future__ import annotations

import argparse
from typing import Any

from sysnoise.pipelines.cli.arguments import add_command, add_set, variant_id
from sysnoise.pipelines.cli.output import print_lines
from sysnoise.pipelines.errors import RESUME_COPYING, DamageError


def add_publish(commands: Any) -> None:
    """Add ``publish``."""
    parser = add_command(commands, "publish", "verify a finished set and copy it, or a part of it")
    parser.set_defaults(run=_publish)
    add_set(parser)
    parser.add_argument("target", metavar="TARGET", help="a new folder, path or fsspec URL")
    _add_resume(parser)
    choice = parser.add_mutually_exclusive_group()
    _add_variants(choice)
    choice.add_argument(
        "--recipe-only",
        dest="variant",
        action="store_const",
        const=(),
        help="no images: what is needed to make the set again from the source images and prove it",
    )


def add_fetch(commands: Any) -> None:
    """Add ``fetch``."""
    parser = add_command(commands, "fetch", "copy a published set, or a part of it, to a folder")
    parser.set_defaults(run=_fetch)
    add_set(parser, metavar="URL")
    parser.add_argument("target", metavar="DIR", help="a new folder, path or fsspec URL")
    _add_resume(parser)
    _add_variants(parser)


def _add_resume(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(resume_hint=RESUME_COPYING)
    parser.epilog = (
        "Every file is compared with its sha256 where it arrives. The same command resumes after "
        "an interruption; another variant is added to what the target holds, with the card of this "
        "set."
    )


def _add_variants(parser: Any) -> None:
    parser.add_argument(
        "--variant",
        action="append",
        type=variant_id,
        metavar="ID",
        help="only the images of this variant, by id or slug; may be repeated",
    )


def _publish(arguments: argparse.Namespace) -> None:
    from sysnoise.pipelines.publication.transfer import open_target
    from sysnoise.pipelines.storage.root import connect
    from sysnoise.pipelines.verification.request import VerificationRequest
    from sysnoise.pipelines.verification.verify import verify

    open_target(connect(arguments.set), arguments.target)  # Before hours of reading.
    result = verify(arguments.set, VerificationRequest(variants=tuple(arguments.variant or ())))
    if result.problems:
        print_lines(result.lines())
        raise DamageError(f"{result.summary()}; nothing was published")
    _fetch(arguments)


def _fetch(arguments: argparse.Namespace) -> None:
    from sysnoise.pipelines.publication.transfer import transfer

    print(transfer(arguments.set, arguments.target, arguments.variant).summary())
