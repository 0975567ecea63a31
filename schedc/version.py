"""The version, in one place for code that must not import the package's front door."""

VERSION = "0.1.0"
MADE_BY = "made by schedc"  # in the first line of every NAME.h
