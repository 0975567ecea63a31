"""Target descriptions: data with sources (`*.yaml`) and their typed loader."""
