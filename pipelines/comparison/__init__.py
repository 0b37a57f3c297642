"""``sysnoise compare`` and ``codecs``: what other builds of the libraries change."""
