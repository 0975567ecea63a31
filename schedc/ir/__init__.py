"""The intermediate representation: typed operations on a graph of sample streams."""
