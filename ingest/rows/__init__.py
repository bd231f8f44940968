"""The row of a source, checked field by field."""
