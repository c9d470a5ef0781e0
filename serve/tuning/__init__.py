"""What is fastest on this machine: `zoo tune`, `zoo speed`."""
