"""What is said over HTTP: endpoints, bodies, answers, the page."""
