"""The command line: thin, one verb a file."""
