"""Evaluates models through `lvef.measure`, on stills, datasets and synthetic clips; explores manifests."""
