"""The external benchmark: models ranked on images of other hospitals, phantoms and animated stills."""
