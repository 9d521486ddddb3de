"""Where the lake's partitions live, and how they get there."""
