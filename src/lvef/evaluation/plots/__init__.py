"""Charts and contact sheets as PNG: numbers and arrays in, bytes out, the same bytes for the same input."""
