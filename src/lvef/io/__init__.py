"""Files to arrays and back: video, DICOM, stills; atomic writes, uploads, file names."""
