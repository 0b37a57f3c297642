"""What systems leave beside a user's files is told from these."""

from __future__ import annotations

import pytest

from sysnoise.manifests.junk import is_junk


@pytest.mark.parametrize(
    "path",
    [
        "._a.JPEG",
        "n01440764/._n01440764_1.JPEG",
        "__MACOSX/val/._a.JPEG",
        "val/__MACOSX",
        ".DS_Store",
        "val/.DS_Store",
        "val/Thumbs.db",
        "val/THUMBS.DB",
        "Desktop.ini",
        "lost+found/#123",
        "lost+found",
        "$RECYCLE.BIN/a.jpg",
        "n01440764/.ipynb_checkpoints/a-checkpoint.jpg",
        "val/",
        "",
        "val_$folder$",
    ],
)
def test_junk_is_recognized(path: str) -> None:
    assert is_junk(path)


@pytest.mark.parametrize(
    "path",
    [
        "a.JPEG",
        "n01440764/n01440764_1.JPEG",
        "a._b.JPEG",
        "_a.JPEG",
        ".a.JPEG",
        "lost+found.jpg",
        "my__MACOSX/a.jpg",
        "DS_Store/a.jpg",
        "thumbs.db.jpg",
        "receipts",
        "plan.json",
        "_temporary",
    ],
)
def test_files_of_users_are_none(path: str) -> None:
    assert not is_junk(path)
