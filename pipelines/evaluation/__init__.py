"""``sysnoise evaluate``: a model run over a set, and its predictions."""
