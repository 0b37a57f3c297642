"""WebDataset shards: reproducible USTAR files.

A sample is two or three adjacent members, sorted by name: ``<key>.cls`` (ImageNet), ``<key>.json``
and ``<key>.<image format>``. Times, owners and modes are fixed.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence

from sysnoise.manifests.json_documents import JsonObject
from sysnoise.pipelines.shards.writers.interface import SampleMetadata, Samples
from sysnoise.pipelines.storage.hashed_file import HashedFile, WrittenFile, close_all

_BLOCK = tarfile.BLOCKSIZE
_MODE = 0o644


class WebDatasetWriter:
    """Writes one tar file per variant."""

    def __init__(self, paths: Sequence[str], geometries: Sequence[str], image_format: str) -> None:
        """Create the files.

        Args:
            paths: the path of each variant's file.
            geometries: the name of each variant's geometry.
            image_format: file extension of the images.
        """
        self._files = [HashedFile(path) for path in paths]
        self._geometries = geometries
        self._image_format = image_format
        self._samples = 0

    def write(self, samples: Samples, images: Sequence[bytes]) -> None:
        """Append a sample; ``images`` has the encoded image of each variant, in order."""
        metadata = {name: _metadata(sample) for name, sample in samples.items()}
        key = next(iter(samples.values())).key
        header = member_header(f"{key}.{self._image_format}", 0)
        # By geometry and id() of the image, which variants share.
        files: dict[tuple[str, int], list[HashedFile]] = {}
        shared: dict[tuple[str, int], bytes] = {}
        for file, geometry, image in zip(self._files, self._geometries, images, strict=True):
            files.setdefault((geometry, id(image)), []).append(file)
            shared[geometry, id(image)] = image
        for (geometry, number), image in shared.items():
            size = len(image)
            before = metadata[geometry] + with_size(header, size)
            HashedFile.append_to_all(files[geometry, number], (before, image, padding(size)))
        self._samples += 1

    def close(self) -> list[WrittenFile]:
        """Finish and sync all files, and describe them in the order of the variants."""
        for file in self._files:
            file.write(tar_end(file.size))
        close_all(self._files)
        return [file.describe(self._samples) for file in self._files]


def _metadata(sample: SampleMetadata) -> bytes:
    return b"".join(
        tar_member(f"{sample.key}.{extension}", data)
        for extension, data in metadata_members(sample)
    )


def metadata_members(sample: SampleMetadata) -> list[tuple[str, bytes]]:
    """Return extension and content of a sample's members other than the image, in order.

    Of the variant, the JSON depends on the geometry alone, so that equal pixels of a geometry make
    equal shards.
    """
    document: JsonObject = {
        "key": sample.key,
        **{name: value for name, value in sample.targets.items() if value is not None},
        "source_name": sample.source_name,
        "source_sha256": sample.source_sha256,
        **sample.geometry,
    }
    if sample.annotations is not None:
        document["annotations"] = sample.annotations
    text = json.dumps(document, separators=(",", ":"))
    members = [("json", text.encode())]
    label = sample.targets.get("label")
    return members if label is None else [("cls", str(label).encode()), *members]


def tar_member(name: str, data: bytes) -> bytes:
    """Return the USTAR blocks of one member."""
    return member_header(name, len(data)) + data + padding(len(data))


def member_header(name: str, size: int) -> bytes:
    """Return the header block of a member; ``size`` is the length of its content in bytes."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = _MODE
    return info.tobuf(tarfile.USTAR_FORMAT)


def with_size(header: bytes, size: int) -> bytes:
    """Return a header with another size, as ``tarfile`` makes it, several times as fast.

    Source: POSIX.1-2017, pax, "ustar Interchange Format": the size at 124, the checksum at 148, all
    numbers octal; the checksum is the sum of all bytes with itself as blanks.
    """
    if size >= 8**11:
        raise ValueError(f"a USTAR member holds less than 8 GiB, found {size} bytes")
    block = bytearray(header)
    block[124:136] = b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:155] = b"%06o\0" % sum(block)
    return bytes(block)


def padding(size: int) -> bytes:
    """Return the zeros between the content of a member and the next block."""
    return bytes(-size % _BLOCK)


def tar_end(size: int) -> bytes:
    """Return the zeros at the end of a tar file whose members take ``size`` bytes."""
    end = size + 2 * _BLOCK
    return bytes(2 * _BLOCK + -end % tarfile.RECORDSIZE)
