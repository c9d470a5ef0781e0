"""The paper's table and claims, trained and measured again: `zoo reproduce` and `zoo claims`."""
