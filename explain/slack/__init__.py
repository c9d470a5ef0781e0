"""Whether the slack marks patches that show no object: `zoo slack`."""
