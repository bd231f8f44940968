"""Caption files of all formats, parsed to cues."""
