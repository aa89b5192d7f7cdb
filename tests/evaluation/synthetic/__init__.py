"""Tests of the evaluation on synthetic clips."""
