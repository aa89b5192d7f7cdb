"""Terms, records, errors and configuration: numpy and the standard library only."""
