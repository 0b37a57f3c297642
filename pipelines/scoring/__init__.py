"""``sysnoise score``: the paper's tables from the predictions of any model."""
