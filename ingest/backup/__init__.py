"""Snapshots of an index, and how one is restored."""
