"""From a manifest to the inputs of networks: decoded clips, two-stream samples, traced frames."""
