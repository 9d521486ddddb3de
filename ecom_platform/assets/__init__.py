"""The assets, layer by layer: what Dagster shows and materializes."""

import warnings

import dagster as dg

# What the platform is built on, and still marked beta: one run per contiguous range, and links
# to code. Every process that loads the code location would say so.
for name in ("`backfill_policy`", "`LocalFileCodeReference`", "`CodeReferencesMetadataValue`"):
    warnings.filterwarnings("ignore", message=f".*{name}", category=dg.BetaWarning)
