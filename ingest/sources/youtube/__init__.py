"""A YouTube channel, read live."""
