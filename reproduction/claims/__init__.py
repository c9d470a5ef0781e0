"""Measurements of the paper's claims: one module per claim, listed in `catalogue.py`."""
