"""Tables: parquet, csv and jsonl, with one row for each video."""
