"""What every request passes on its way to its endpoint and back, a layer a file; `stack` has their order."""
