"""Files that share their hash as long as they are equal, against hashlib over what is stored."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sysnoise.pipelines.storage.hashed_file import HashedFile


def test_hashes_part_where_the_contents_do(tmp_path: Path) -> None:
    files = [HashedFile(str(tmp_path / name)) for name in "abcd"]
    first, second, third, fourth = files
    large = bytes(range(256)) * 5000  # More than is held back before it is written out.
    HashedFile.append_to_all([first, second, third], large)
    HashedFile.append_to_all([first, second], b"x" * 700)
    HashedFile.append_to_all([third, fourth], b"y")
    second.write(b"z")
    HashedFile.append_to_all(files, large)
    for file in files:
        file.close()
        stored = Path(file.path).read_bytes()
        written = file.describe(3)
        assert written.bytes == len(stored)
        assert written.sha256 == hashlib.sha256(stored).hexdigest()
    assert len({file.describe(3).sha256 for file in files}) == 4
