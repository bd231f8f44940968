"""Tables: parquet, CSV and JSON lines."""
