"""The files of one shard: a writer holds those of all variants."""
