"""JSON documents as the project stores them."""

from __future__ import annotations

import json
from typing import Any


def json_bytes(document: Any) -> bytes:
    """Return a JSON document as the project stores it: indented, ASCII, one newline at the end."""
    return (json.dumps(document, indent=2) + "\n").encode()
