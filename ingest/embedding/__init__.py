"""Passages of transcripts, and embeddings of texts."""
