"""The published layouts of datasets, read into one table of source images."""
