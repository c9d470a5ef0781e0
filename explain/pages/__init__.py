"""A page for each image: `zoo explain`."""
