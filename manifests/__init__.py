"""What a finished set says about itself: grids, tables, environment and manifest.

Neither Apache Beam nor any codec is loaded by importing this package.
"""

from __future__ import annotations

from manifests.grids import grid_names as grid_names
from manifests.grids import load_grid as load_grid

__all__ = ["grid_names", "load_grid"]
