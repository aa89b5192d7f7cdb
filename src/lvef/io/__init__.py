"""Bytes to arrays and back: video, DICOM, stills, atomic files."""
