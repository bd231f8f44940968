"""The batch job. The only package that imports polars, torch and sentence-transformers."""
