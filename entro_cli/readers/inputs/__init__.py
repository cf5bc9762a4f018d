"""Log files before a reader sees them: decompressed, decoded and without the prefixes of container runtimes."""
