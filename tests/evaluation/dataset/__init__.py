"""Tests of the evaluation of EFs."""
