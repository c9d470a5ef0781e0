"""Claim 1: BN-ReLU acts as a soft maximiser with a slack."""
