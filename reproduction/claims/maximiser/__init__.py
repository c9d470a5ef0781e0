"""Claim 1a: BN-ReLU acts as a soft maximiser with a slack."""
