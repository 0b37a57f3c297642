"""The processes that make shards, and what they are told."""
