"""Inference server: HTTP, batching, processes, and a client for Python programs."""
