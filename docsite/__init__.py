"""Builds the documentation site from pages, docstrings, commands and model cards. No part of the product."""
