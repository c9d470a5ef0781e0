"""Image files and folders, decoded to the pixels that a network expects."""
