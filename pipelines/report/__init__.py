"""``sysnoise report``: a finished set as one page."""
