"""What a run would do, and whether it may. Pure."""
