"""Image transforms as pure functions: decoders, resizes, colors, geometries, encoders and grids.

Nothing here reads or writes files or imports Beam, so pipelines and data loaders use the same
functions. The public ones are imported from :mod:`sysnoise`.
"""
