"""The external benchmark: models ranked on pictures of other hospitals, phantoms and animated stills."""
