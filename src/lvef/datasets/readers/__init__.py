"""One reader a collection: from the layout in which its owners hand it out to the manifest's rows."""
