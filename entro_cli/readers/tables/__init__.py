"""Tables of loads: CSV, TSV, JSON lines and Parquet."""
