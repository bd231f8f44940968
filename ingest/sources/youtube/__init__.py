"""YouTube channels, read through the Data API."""
