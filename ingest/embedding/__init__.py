"""Transcripts to passages, and texts to embeddings."""
