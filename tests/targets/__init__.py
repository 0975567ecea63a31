"""Tests of target descriptions; what they share is in ``conftest``."""
