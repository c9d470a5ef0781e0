"""Probing of whether a network uses its semantic block, and the weights of its pooling: `zoo probe`."""
