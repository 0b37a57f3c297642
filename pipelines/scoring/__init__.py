"""Scoring predictions of any origin: the paper's tables from what a model said of each setting."""
