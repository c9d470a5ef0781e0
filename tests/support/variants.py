"""Variants that only tests and experiments use."""

CONTROLS = ("wrn16-aux-encoded", "wrn16-conv", "rn26-softmax")
