"""How an image is computed: decoded, batched with others, answered."""
