"""Sources of videos: one package for each kind."""
