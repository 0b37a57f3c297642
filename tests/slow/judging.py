"""What making a sample must keep to on any file; runs in a child process of the mutation tests."""

from __future__ import annotations

import functools
import hashlib
import io
import traceback
from multiprocessing.connection import Connection

import numpy as np

from sysnoise.manifests.plan import Plan
from sysnoise.manifests.tables import DatasetKind, DecoderStatus, RejectReason
from sysnoise.pipelines.planning.plan import PlanOptions, make_plan
from sysnoise.pipelines.readers.sources import Source, SourceSet, source_table
from sysnoise.pipelines.shards.sample import MadeSample, Reject, make_sample
from sysnoise.pipelines.workers.job import prepare_libraries
from sysnoise.transforms.codecs.decoders import DECODERS
from sysnoise.transforms.codecs.exif import Exif
from sysnoise.transforms.geometry import Geometry, Native, ShorterSide
from sysnoise.transforms.grid import Grid
from sysnoise.transforms.resizers import RESIZES
from sysnoise.transforms.variants import Combine, Variant
from tests.installed import installed

MAX_PIXELS = 300_000
"""Headers may be mutated to any size; files that claim more are rejected."""

SOURCES = source_table(["a.JPEG"], label=[1])
"""The file that is mutated, as a table of sources."""


def serve(connection: Connection) -> None:
    """Judge files from a pipe until it is closed."""
    prepare_libraries()
    while True:
        try:
            data = connection.recv_bytes()
        except EOFError:
            return
        connection.send(judge(data))


def judge(data: bytes) -> str:
    """Return ``made`` or ``rejected``; anything else says what is wrong."""
    try:
        verdicts = {_judge(plan, data) for plan in plans()}
    except Exception:  # noqa: BLE001 - whatever escapes is what the tests look for.
        return traceback.format_exc()
    return "made" if "made" in verdicts else "rejected"


@functools.cache
def plans() -> tuple[Plan, ...]:
    """All core decoders at the image's own size; and with all core resizes one at a time."""
    decoders = tuple(installed(DECODERS))
    resizes = tuple(name for name in installed(RESIZES) if name != "none")
    colors = ("rgb", "nv12-bt601")
    return (
        _plan(Native(), decoders, ("none",), ("rgb",)),
        _plan(ShorterSide(size=32, crop=28), decoders, resizes, colors),
    )


def _plan(
    geometry: Geometry, decoders: tuple[str, ...], resizes: tuple[str, ...], colors: tuple[str, ...]
) -> Plan:
    baseline = Variant("pillow", "none" if "none" in resizes else "pillow-bilinear", "rgb")
    grid = Grid("fuzz", decoders, resizes, colors, geometry, baseline, Combine.ONE_FACTOR)
    source = SourceSet(DatasetKind.IMAGENET, "val", "", SOURCES)
    return make_plan(source, grid, PlanOptions(image_format="npy", max_pixels=MAX_PIXELS))


def _judge(plan: Plan, data: bytes) -> str:
    made = make_sample(plan, Source(**SOURCES.to_pylist()[0]), data)
    if isinstance(made, Reject):
        assert isinstance(made.reason, RejectReason)
        assert made.message.strip()
        assert made.decoders.keys() in (set(), set(plan.grid.decoders))
        if made.reason is RejectReason.DECODE_FAILED and made.decoders:
            assert DecoderStatus.FAILED in made.decoders.values()
        return "rejected"
    _check_made(plan, made)
    return "made"


def _check_made(plan: Plan, made: MadeSample) -> None:
    grid = plan.grid
    assert made.decoders.keys() == set(grid.decoders)
    assert made.decoders[grid.baseline.decoder] is DecoderStatus.OK
    assert DecoderStatus.FAILED not in made.decoders.values()
    digests = dict(zip(grid.variants, (each.digest for each in made.variants), strict=True))
    for variant, each in zip(grid.variants, made.variants, strict=True):
        own = made.decoders[variant.decoder] is DecoderStatus.OK
        turns = own and DECODERS[variant.decoder].exif is Exif.APPLIED
        geometry = made.first.geometry["geometry_exif" if turns else "geometry"]
        pixels = np.load(io.BytesIO(each.image))
        assert pixels.dtype == np.uint8
        assert pixels.shape == (geometry["output_height"], geometry["output_width"], 3)
        header = "uint8 {} {} {}\n".format(*pixels.shape).encode()
        assert each.digest == hashlib.sha256(header + pixels.tobytes()).digest()
        if not own:
            assert each.difference is None
            baseline = Variant(grid.baseline.decoder, variant.resize, variant.color)
            assert each.digest == digests[baseline]
