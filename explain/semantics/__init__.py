"""What the patches of a whole split mean: `zoo semantics`."""
