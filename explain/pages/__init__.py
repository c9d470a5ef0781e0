"""Pages that explain predictions, one per image: `zoo explain`."""
