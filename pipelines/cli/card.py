"""``sysnoise card``: its arguments, and what a publisher says of a set."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from sysnoise.manifests.publication import (
    FIRST_VERSION,
    LONGEST_LINE,
    is_contact,
    is_date,
    is_key,
    is_line,
    is_place,
    is_url,
    is_version,
)
from sysnoise.manifests.secrets import without_secrets
from sysnoise.pipelines.cli.arguments import add_command, add_set


def add_card(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands, "card", "write README.md, croissant.json and SHA256SUMS of a finished set again"
    )
    parser.set_defaults(run=_card)
    parser.epilog = (
        "What is not given stays as the card says it; the defaults are those of a new set, to "
        "which 'sysnoise generate' returns when it changes the set."
    )
    add_set(parser)
    parser.add_argument(
        "--title",
        type=_line,
        metavar="TEXT",
        help="name of the set (default: its split, and how many images and variants it has)",
    )
    parser.add_argument(
        "--author", type=_line, metavar="NAME", help="who made the set (default: nobody is named)"
    )
    parser.add_argument(
        "--contact", type=_contact, metavar="ADDRESS", help="the author's mail or web address"
    )
    parser.add_argument(
        "--picture",
        nargs="?",
        const="first",
        type=_key,
        metavar="KEY",
        help="put a photograph of the set on the card, with its noise: the sample of this key, "
        "without a key the 'first' one; 'none' removes it (default: no picture)",
    )
    parser.add_argument(
        "--license",
        type=_license,
        metavar="L",
        help="SPDX id or URL (default: the URL of the dataset's own terms)",
    )
    parser.add_argument(
        "--citation",
        metavar="FILE",
        help="BibTeX, instead of the SysNoise paper's and the dataset's",
    )
    parser.add_argument(
        "--date", type=_date, metavar="YYYY-MM-DD", help="date of the publication (default: none)"
    )
    parser.add_argument(
        "--set-version",
        type=_version,
        metavar="V",
        help=f"MAJOR.MINOR.PATCH (default: {FIRST_VERSION})",
    )
    parser.add_argument(
        "--url",
        type=_place,
        metavar="URL",
        help="where the set is published: a web address, or s3://BUCKET/FOLDER (default: none; a "
        "copy that 'sysnoise publish' makes in a bucket has its own)",
    )


def _card(arguments: argparse.Namespace) -> None:
    from sysnoise.manifests import layout
    from sysnoise.manifests.published_place import hub_repository
    from sysnoise.pipelines.publication.card import make_card, read_citation

    citation = arguments.citation and read_citation(arguments.citation)
    given = {
        "title": arguments.title,
        "author": arguments.author,
        "contact": arguments.contact,
        "license": arguments.license,
        "citation": citation,
        "date": arguments.date,
        "version": arguments.set_version,
        "url": arguments.url,
    }
    publication = make_card(arguments.set, given, arguments.picture)
    pictures = [] if publication.picture is None else [layout.PICTURE]
    *first, last = [layout.README, layout.CROISSANT, *pictures, layout.SUMS]
    print(f"{without_secrets(arguments.set)}: wrote {', '.join(first)} and {last}")
    if repository := hub_repository(publication.url):
        folder = shlex.quote(arguments.set)
        print(f"upload it: hf upload {repository} {folder} . --repo-type dataset")


def _license(text: str) -> str:
    """Return a web address, or an SPDX id in SPDX's own spelling."""
    if is_url(text):
        return text
    try:
        if not re.fullmatch(r"[A-Za-z0-9.+-]+", text):  # An expression has no page at SPDX.
            raise InvalidLicenseExpression(text)
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression as error:
        raise argparse.ArgumentTypeError(
            f"expected an SPDX id, such as CC-BY-4.0, or a web address, found {text!r}"
        ) from error


def _date(text: str) -> str:
    if not is_date(text):
        raise argparse.ArgumentTypeError(f"expected a date as YYYY-MM-DD, found {text!r}")
    return text


def _version(text: str) -> str:
    if not is_version(text):
        raise argparse.ArgumentTypeError(f"expected MAJOR.MINOR.PATCH, found {text!r}")
    return text


def _place(text: str) -> str:
    if not is_place(text):
        raise argparse.ArgumentTypeError(
            f"expected a web address, or s3:// or gs:// with bucket and folder, found {text!r}"
        )
    return text


def _line(text: str) -> str:
    if not is_line(text):
        raise argparse.ArgumentTypeError(
            f"expected one line of up to {LONGEST_LINE} characters, found {text!r}"
        )
    return text


def _contact(text: str) -> str:
    if not is_contact(text):
        raise argparse.ArgumentTypeError(f"expected a mail or web address, found {text!r}")
    return text


def _key(text: str) -> str:
    if not is_key(text):
        raise argparse.ArgumentTypeError(f"expected the key of a sample, found {text!r}")
    return text
