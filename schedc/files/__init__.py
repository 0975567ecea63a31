"""Files that users name, and what is called by their captures' names."""
