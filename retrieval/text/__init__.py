"""Text to numbers: encoders and term weights; and the words of a text that match a query."""
