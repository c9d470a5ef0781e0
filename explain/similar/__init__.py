"""The patches of a split by their assignment: an index on disk, and the search in it, `zoo similar`."""
