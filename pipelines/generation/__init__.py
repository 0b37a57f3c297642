"""``sysnoise generate``, ``finish`` and ``status``: a set from its plan to its manifest."""
