"""Caption files of every format, read as cues."""
