"""``sysnoise export``: variants of a set as folders that other evaluators read."""
