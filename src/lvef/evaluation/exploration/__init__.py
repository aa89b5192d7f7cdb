"""Contents of a manifest: statistics, outliers, plots, examples. `lvef explore` on the command line."""
