"""``sysnoise verify``: whether a finished set is what its manifest says."""
