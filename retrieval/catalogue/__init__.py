"""The video and what is recorded of an index: manifest and runs."""
