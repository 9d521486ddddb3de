"""What `dagster.yaml` names: where Dagster keeps what it records, and what starts its runs."""
