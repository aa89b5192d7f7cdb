"""Developer studies: not part of the package that is installed."""
