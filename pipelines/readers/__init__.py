"""Published layouts of datasets, read into one table of sources."""
