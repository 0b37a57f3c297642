"""Files are opened by their content, as rasters of named formats, and nowhere else."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import pytest
from PIL import Image

from sysnoise.transforms.codecs.decoders import DECODERS, MAX_SCANS, UnsupportedKindError, decode
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.codecs.raster import PILLOW_FORMATS, open_raster
from sysnoise.transforms.codecs.sniff import Container
from tests.installed import installed
from tests.odd_files.images import POSTSCRIPT, many_scans
from tests.transforms.plain import saved

ROOT = Path(__file__).parents[3]
OTHER_KINDS = {
    "PostScript": POSTSCRIPT,
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "list of files": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "PPM": b"P6\n1 1\n255\n\x00\x00\x00",
    "WMF": b"\xd7\xcd\xc6\x9a" + bytes(40),
    "Windows icon": b"\x00\x00\x01\x00\x01\x00" + bytes(40),
    "AVIF": b"\x00\x00\x00\x20ftypavif" + bytes(20),
}


@pytest.mark.parametrize("data", OTHER_KINDS.values(), ids=OTHER_KINDS)
@pytest.mark.parametrize("name", installed(DECODERS))
def test_other_content_reaches_no_decoder(
    name: str, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("a decoder was given the file")

    for library in ("PIL.Image.open", "cv2.imdecode", "simplejpeg.decode_jpeg", "av.Packet"):
        monkeypatch.setattr(library, refuse)
    for library in ("libstb.imread", "kornia_rs.io.decode_image_jpeg", "ajpegli.imdecode"):
        monkeypatch.setattr(library, refuse)
    image = EncodedImage(data)
    with pytest.raises(DecodeError) as caught:
        decode(name, image)
    only_jpeg = name not in ("pillow", "opencv", "opencv-exif")
    assert isinstance(caught.value, UnsupportedKindError) is only_jpeg
    with pytest.raises(DecodeError, match=r"^reading the header: not a file of a kind"):
        image.header  # noqa: B018


def test_every_kind_is_opened() -> None:
    assert {*PILLOW_FORMATS} == {*Container} - {Container.UNKNOWN}
    for name in PILLOW_FORMATS.values():
        with open_raster(saved(Image.new("RGB", (16, 16)), name)) as image:
            assert (image.format, image.size) == (name, (16, 16))


@pytest.mark.parametrize("name", installed(DECODERS))
def test_scans_have_a_limit(name: str) -> None:
    with pytest.raises(DecodeError, match=rf"has {MAX_SCANS + 1} scans, the limit is {MAX_SCANS}"):
        decode(name, EncodedImage(many_scans(MAX_SCANS + 1)))


def test_scans_up_to_the_limit_are_decoded() -> None:
    with Image.open(io.BytesIO(many_scans(MAX_SCANS))) as image:
        expected = image.convert("RGB").tobytes()
    assert decode("pillow", EncodedImage(many_scans(MAX_SCANS))).tobytes() == expected


def test_pillow_opens_files_in_one_place_alone() -> None:
    """Anywhere else in the package, the formats might be left out."""
    opens = {
        path.relative_to(ROOT).as_posix(): call
        for folder in ("transforms", "manifests", "pipelines")
        for path in (ROOT / folder).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("Image.open")
    }
    assert [*opens] == ["transforms/codecs/raster.py"]
    assert "formats" in [keyword.arg for keyword in opens["transforms/codecs/raster.py"].keywords]


def test_other_content_is_said_by_what_it_is() -> None:
    with pytest.raises(ValueError, match=r"kind that is read: JPEG.*; it is a Git LFS pointer"):
        open_raster(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n")
    with pytest.raises(ValueError, match=r"; it is an empty file$"):
        open_raster(b"")
    with pytest.raises(ValueError, match=r"JPEG2000$"):
        open_raster(b"\x01\x02\x03")
