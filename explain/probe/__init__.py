"""Whether a network uses its semantic block: `zoo probe`."""
