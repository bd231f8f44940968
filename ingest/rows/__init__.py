"""Rows of sources, and their check field by field."""
