"""The patches most like a given one: `zoo similar`."""
