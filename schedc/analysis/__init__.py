"""The static analyser of finished machine code."""
