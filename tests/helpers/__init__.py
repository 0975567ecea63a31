"""What several test modules share; reachable as ``helpers`` by pytest's ``pythonpath``."""
