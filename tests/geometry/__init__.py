"""Tests of lvef.geometry."""
