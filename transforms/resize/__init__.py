"""Resizes whose libraries are extras, one module each; ``transforms/resizers.py`` names them."""
