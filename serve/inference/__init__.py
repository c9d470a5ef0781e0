"""Inference: decoding of images, batching across requests, and the served models."""
