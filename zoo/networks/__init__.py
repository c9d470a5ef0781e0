"""Networks: their building blocks, and functions that create or load them."""
