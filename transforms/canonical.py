"""One fingerprint for one JSON value, however it is written."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_sha256(document: Any) -> str:
    """Return the sha256 of a JSON-compatible value, whatever the order of its keys."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
