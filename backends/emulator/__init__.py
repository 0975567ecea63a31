"""Code of other machines, run by Unicorn."""
