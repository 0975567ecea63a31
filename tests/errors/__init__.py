"""The exact words of errors."""
