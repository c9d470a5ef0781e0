"""Semantics of the patches of a whole split: `zoo semantics`."""
