"""What is in a manifest: table, outliers, plots, examples. `lvef explore` on the command line."""
