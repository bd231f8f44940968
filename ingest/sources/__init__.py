"""Readers: one module a kind of source, all giving the same rows."""
