"""What a copy of some variants says of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sysnoise.manifests.errors import PartError
from sysnoise.manifests.json_documents import json_bytes
from sysnoise.manifests.part import held_variants, part_document

A, B, C = (f"{decoder}/pillow-bilinear/rgb" for decoder in ("pillow", "opencv", "ffmpeg"))
MANIFEST: Any = {
    "checksum": "c" * 64,
    "formats": ["webdataset"],
    "variants": [{"id": A}, {"id": B}, {"id": C}],
}


def test_a_set_without_part_holds_all_variants() -> None:
    assert held_variants(MANIFEST, None) == (A, B, C)


def test_a_set_without_images_holds_no_variant() -> None:
    manifest: Any = {**MANIFEST, "formats": []}
    assert held_variants(manifest, None) == ()
    part = json_bytes(part_document(manifest, ()))
    assert held_variants(manifest, part) == ()
    with pytest.raises(PartError, match=A):
        held_variants(manifest, json_bytes(part_document(manifest, (A,))))


@pytest.mark.parametrize("held", [(), (C,), (C, A)])
def test_a_part_gives_its_variants_in_grid_order(held: tuple[str, ...]) -> None:
    part = json_bytes(part_document(MANIFEST, held))
    assert held_variants(MANIFEST, part) == tuple(each for each in (A, B, C) if each in held)


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        (b"{", "is damaged"),
        (b"[]", "is damaged"),
        (b'{"variants": []}', "is damaged"),
        (b'{"manifest": "c", "variants": [3]}', r"is damaged: .*variants\[0\]"),
        (json.dumps({"manifest": "d" * 64, "variants": []}).encode(), "is of another set"),
        (json.dumps({"manifest": "c" * 64, "variants": ["x/y/z"]}).encode(), "x/y/z"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(part: bytes, problem: str) -> None:
    with pytest.raises(PartError, match=problem):
        held_variants(MANIFEST, part)
