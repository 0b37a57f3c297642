"""Image transforms as pure functions: decoders, resizes, colors, geometries, encoders and grids.

Nothing here reads or writes files or imports Beam, so the same functions serve the pipelines and a
data loader. The public ones are imported from :mod:`sysnoise`.
"""
