"""What an index is: the protocols of reading and writing, and what both engines store."""
