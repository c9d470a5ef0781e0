"""The paper's claims as measurements: one module a claim, listed in `catalogue.py`."""
