"""Whether everything goes on as it should: days, checks, incidents, runs, the daemon."""
