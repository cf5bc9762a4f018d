"""The stored history: a pipeline's steps as Parquet, a file a day, and what was read into it from which log."""
