"""Finished machine code in a better order, for cores that issue one instruction a cycle."""
