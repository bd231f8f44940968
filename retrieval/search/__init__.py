"""The use cases: search, ranking and fusion."""
