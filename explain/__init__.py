"""Interpretation of trained models: pages for images, reports on splits, faithfulness and probing of the block."""
