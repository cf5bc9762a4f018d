"""CSV, JSON lines and Parquet as relations of cells in DuckDB."""
