"""The plan of a set, the receipts of its shards, and what a rerun has left to do."""
