"""The HTTP service: measurements for programs, over the code that the command line uses."""
