"""Faithfulness of attributions: `zoo faithfulness`."""
