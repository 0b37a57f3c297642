"""The processes that make shards, their job and their logs."""
