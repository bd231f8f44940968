"""Folders of captions: as yt-dlp leaves them, or bare."""
