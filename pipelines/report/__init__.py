"""``sysnoise report``: a finished set as one HTML page."""
