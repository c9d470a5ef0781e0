"""HTTP layer: middleware, endpoints, request bodies, responses and the page."""
