"""Read by mypy, not run: what a type checker makes of the public API."""
