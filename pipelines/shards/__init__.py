"""One shard: its samples, their images in every variant, and the files that hold them."""
