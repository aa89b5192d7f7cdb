"""One reader a collection. No torch."""
