"""What code depends on, and how a capture's numbers are packed for it."""
