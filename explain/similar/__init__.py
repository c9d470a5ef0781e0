"""Index of the patches of a split by their assignment, and similarity search: `zoo similar`."""
