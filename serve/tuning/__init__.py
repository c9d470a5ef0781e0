"""Inference speed on this machine: `zoo tune` and `zoo speed`."""
