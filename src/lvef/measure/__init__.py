"""The only way from a file to an EF."""
