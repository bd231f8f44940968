"""Text to numbers: encoders, term weights, and which words match."""
