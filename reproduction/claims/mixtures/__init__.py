"""Claim 4: new entities arise as mixtures of classes."""
