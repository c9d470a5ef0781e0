"""Networks: what they are built of, and how one is created or loaded."""
