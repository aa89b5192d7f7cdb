"""One reader per dataset: from the layout in which its owners hand it out to the rows of a manifest."""
