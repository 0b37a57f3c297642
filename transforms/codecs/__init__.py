"""Decoders, encoders, what is read of a file before it is decoded, and probe images."""
