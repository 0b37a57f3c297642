"""Samples to shard files: one writer holds the files of all variants of one shard."""
