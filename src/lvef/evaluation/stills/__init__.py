"""Evaluates segmentation of stills with expert masks, and the EF of both views that follows from it."""
