"""The cost model: features of a scheduled kernel, counted, and named bounds in cycles."""
