"""Cutting passwords, keys and signatures out of texts that are shown or written."""

from __future__ import annotations

import re

CUT = "***"
"""What stands in a text for a secret."""

_USER = re.compile(r"(?i)([a-z][a-z0-9+.-]*:/+)[^\s/]*@")
"""User and password of a URL, up to the last ``@`` before its path."""

_QUERY = re.compile(r"""(?i)([a-z][a-z0-9+.-]*:/+[^?\n<>]*)\?[^\s'"<>]+""")
"""The query of a URL, which is where signed URLs have their signature."""

_NAMED = re.compile(
    r"""(?ix)
    ( (?: secret | password | passwd | token | signature | credentials? | authorization
        | access_?key | account_?key | api_?key ) (?: [_-][a-z_-]* )? ["']? \s* [:=] \s* ["']? )
    (?: (?: basic | bearer ) \s+ )? [^\s"',;&})]+
    """
)
"""A value behind a name of a secret, as options and headers are printed."""


def without_secrets(text: str) -> str:
    """Return a text in which the user, password and query of each URL are cut.

    Values behind names such as ``secret`` or ``token`` are cut too. Everything that is shown or
    written and may hold a URL passes through here: messages, logs, failures and summaries.

    Example:
        >>> without_secrets("reading 'https://ann:pw@host/a.tar?signature=1f': timed out")
        "reading 'https://***@host/a.tar?***': timed out"
    """
    if "/" in text:
        text = _QUERY.sub(rf"\1?{CUT}", _USER.sub(rf"\1{CUT}@", text))
    return _NAMED.sub(rf"\1{CUT}", text)
