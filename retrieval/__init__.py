"""What the API and the batch job share: the video model, the encoders, the index and search."""
