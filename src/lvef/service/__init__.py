"""The HTTP service: measurements for programs, with the code of the command line."""
