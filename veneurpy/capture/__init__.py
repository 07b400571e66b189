"""Traffic as it came: kept by the engine, written to files, read again and sent again."""
