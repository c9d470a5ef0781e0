"""Probing of whether a network uses its semantic block: `zoo probe`."""
