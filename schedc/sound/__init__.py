"""Sound files: read in pieces, written whole, resampled."""
