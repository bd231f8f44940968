"""The batch job. The only package that imports polars."""
