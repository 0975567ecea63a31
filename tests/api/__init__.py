"""Tests of the functions; what they share is in ``conftest``."""
