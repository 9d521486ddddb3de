"""The assets, layer by layer: what Dagster shows and materializes."""
