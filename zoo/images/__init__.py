"""Image files and folders of them, decoded to the pixels that a network takes."""
