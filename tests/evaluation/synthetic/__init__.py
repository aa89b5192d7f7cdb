"""Tests of the judgement on synthetic clips."""
