"""Classes of any number of images: where they come from, who answers, and where the answers go."""
