"""The layers that every request passes, one per file; `stack` has their order."""
