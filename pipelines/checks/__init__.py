"""What a finished set must keep to: its index, its shards, and its samples made again."""
