"""Realism of synthetic images: grey levels, texture and edges against real stills."""
