"""What is wrong, since when, who knows of it, and whether people were told. No Dagster here."""
