"""The batch job. The only place that knows polars, torch and sentence-transformers."""
