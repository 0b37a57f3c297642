"""What a finished set says about itself, and how to read one.

Importing these modules loads neither Apache Beam nor a codec. The public names are imported from
:mod:`sysnoise`.
"""
