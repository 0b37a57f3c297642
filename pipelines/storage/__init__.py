"""Files and folders through fsspec: reading, listing, atomic writing, locks and retries."""
