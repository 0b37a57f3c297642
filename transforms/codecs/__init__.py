"""Decoders and encoders, what they read of a file before it is decoded, and their probes."""
