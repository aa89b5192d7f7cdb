"""The only torch modules: one network family a file, and their export."""
