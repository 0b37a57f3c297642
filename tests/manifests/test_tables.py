"""The stored columns of the geometry."""

from __future__ import annotations

from sysnoise.manifests.tables import GEOMETRY, geometry_row, placement_of
from sysnoise.transforms.geometry import Offset, Placement, Region
from sysnoise.transforms.pixels import Size


def test_a_placement_is_stored_flat_and_read_back() -> None:
    placement = Placement(
        source=Size(1, 2),
        region=Region(3, 4, 5, 6),
        resized=Size(7, 8),
        output=Size(14, 15),
        crop=Offset(9, 10),
        pad=Offset(11, 12),
        pad_value=13,
    )
    row = geometry_row(placement, 16)
    assert list(row.items()) == [
        ("orientation", 16),
        ("source_width", 1),
        ("source_height", 2),
        ("source_x", 3),
        ("source_y", 4),
        ("region_width", 5),
        ("region_height", 6),
        ("resized_width", 7),
        ("resized_height", 8),
        ("crop_x", 9),
        ("crop_y", 10),
        ("pad_left", 11),
        ("pad_top", 12),
        ("pad_value", 13),
        ("output_width", 14),
        ("output_height", 15),
        ("scale_x", 7 / 5),
        ("scale_y", 8 / 6),
    ]
    assert [field.name for field in GEOMETRY] == list(row)
    assert placement_of(row) == placement
