"""Files that are hashed while they are written, against hashlib over what is stored."""

from __future__ import annotations

import contextlib
import hashlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysnoise.pipelines.storage.hashed_file import HashedFile, close_all


def test_hashes_part_where_the_contents_do(tmp_path: Path) -> None:
    files = [HashedFile(str(tmp_path / name)) for name in "abcd"]
    first, second, third, fourth = files
    large = bytes(range(256)) * 5000  # More than is held back before it is written out.
    HashedFile.append_to_all([first, second, third], [large])
    HashedFile.append_to_all([first, second], [b"x" * 700, b"", b"x"])
    HashedFile.append_to_all([third, fourth], [b"y"])
    second.write(b"z")
    HashedFile.append_to_all(files, [large[:9], large[9:]])
    close_all(files)
    contents = [large + b"x" * 701 + large, large + b"x" * 701 + b"z" + large]
    contents += [large + b"y" + large, b"y" + large]
    for file, content in zip(files, contents, strict=True):
        assert Path(file.path).read_bytes() == content
        assert file.describe(3).bytes == len(content)
        assert file.describe(3).sha256 == hashlib.sha256(content).hexdigest()


def test_more_parts_than_the_system_takes_at_once(tmp_path: Path) -> None:
    file = HashedFile(str(tmp_path / "many"))
    for number in range(5000):
        file.write(number.to_bytes(2, "big"))
    file.close()
    assert Path(file.path).read_bytes() == b"".join(n.to_bytes(2, "big") for n in range(5000))


def test_changed_buffers_are_stored_as_they_were_given(tmp_path: Path) -> None:
    file = HashedFile(str(tmp_path / "buffer"))
    buffer = bytearray(b"given")
    file.write(memoryview(buffer))
    buffer[:] = b"later"
    file.close()
    assert Path(file.path).read_bytes() == b"given"


def test_nothing_is_lost_where_the_system_takes_a_part_of_a_block(tmp_path: Path) -> None:
    file = HashedFile(str(tmp_path / "limited"))
    with _file_size_limit(300_000), pytest.raises(OSError, match="File too large"):
        HashedFile.append_to_all([file], [b"a" * 200_000, b"b" * 200_000, b"c" * 200_000])
    assert Path(file.path).stat().st_size == 300_000
    file.close()
    assert Path(file.path).read_bytes() == b"a" * 200_000 + b"b" * 200_000 + b"c" * 200_000


@contextlib.contextmanager
def _file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
