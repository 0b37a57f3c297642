"""Cutting passwords, keys and signatures out of texts that are shown or written."""

from __future__ import annotations

import re

CUT = "***"
"""What stands in a text for a secret."""

_USER = re.compile(r"(:/+)[^\s/]*@")
"""User and password of a URL, up to the last ``@`` before its path."""

_QUERY = re.compile(r"""\?[^\s'"<>]+""")
"""The query of a URL, which is where signed URLs have their signature."""

_NAMED = re.compile(
    r"""(?ix)
    ( (?: secret | password | passwd | token | signature | credentials? | authorization
        | access_?key | account_?key | api_?key ) (?: [_-][a-z_-]{0,40} )? ["']?
      \s{0,8} [:=] \s{0,8} ["']? )
    (?: (?: basic | bearer ) \s{1,8} )? [^\s"',;&})]+
    """
)
"""A value behind a name of a secret, as options and headers are printed."""


def without_secrets(text: str) -> str:
    """Return a text in which the user, password and query of each URL are cut.

    Values behind names such as ``secret`` or ``token`` are cut too. Everything that is shown or
    written and may hold a URL passes through here: messages, logs, failures and summaries.

    Examples:
        >>> without_secrets("reading 'https://ann:pw@host/a.tar?signature=1f': timed out")
        "reading 'https://***@host/a.tar?***': timed out"
    """
    lines = (_without_parts_of_urls(line) for line in text.split("\n"))
    return _NAMED.sub(rf"\1{CUT}", "\n".join(lines))


def _without_parts_of_urls(line: str) -> str:
    before, start, rest = line.partition(":/")
    if not start:
        return line
    return before + _QUERY.sub(f"?{CUT}", _USER.sub(rf"\1{CUT}@", start + rest))
