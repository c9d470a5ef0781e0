"""Claims 3a and 3b: features cluster better by class after the block, and animals separate from vehicles."""
