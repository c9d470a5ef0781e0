"""The paper's claims as measurements: one file a claim, `catalogue.py` lists them."""
