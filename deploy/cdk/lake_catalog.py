"""The lake for SQL: a database of Glue, and a workgroup of Athena that cannot run away."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from constructs import Construct

from deploy.cdk.acknowledgements import acknowledge

GB = 1_000_000_000


class LakeCatalog(Construct):
    """`ecom catalog apply` fills the database with tables."""

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, lake: str, scan_gb: int
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        self.database = name.replace("-", "_")
        glue.CfnDatabase(
            self,
            "Database",
            catalog_id=stack.account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=self.database, description=f"The lake {lake}"
            ),
        )
        workgroup = athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=name,
            description="Queries of the lake",
            recursive_delete_option=True,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=scan_gb * GB,
                # Athena keeps results itself, encrypted, for a day: no bucket of copies.
                managed_query_results_configuration=(
                    athena.CfnWorkGroup.ManagedQueryResultsConfigurationProperty(enabled=True)
                ),
            ),
        )
        acknowledge(
            workgroup, {"ATH1": "Athena keeps the results itself, and always encrypts them then."}
        )

    @property
    def arns(self) -> list[str]:
        """What who updates the tables must be allowed to touch: Glue asks for all three."""
        stack = Stack.of(self)
        return [
            stack.format_arn(service="glue", resource="catalog"),
            stack.format_arn(service="glue", resource="database", resource_name=self.database),
            stack.format_arn(service="glue", resource="table", resource_name=f"{self.database}/*"),
        ]
