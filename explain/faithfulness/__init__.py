"""How faithful explanations are: `zoo faithfulness`."""
