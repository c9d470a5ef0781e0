"""Search of images by their embeddings, and of patches by their assignments: index, nearest neighbours, duplicates."""
