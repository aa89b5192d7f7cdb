"""Calibration of the prediction interval of a segmentation model, and its evaluation."""
