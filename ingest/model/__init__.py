"""The export of embedding models."""
