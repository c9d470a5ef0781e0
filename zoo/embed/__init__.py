"""Embeddings of any number of images, as a file of vectors."""
