"""The marts as Dagster's assets: dbt builds and tests them, and the good ones are published.

What a mart is stands in its SQL and YAML, in `dbt/`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject, dbt_assets
from dagster_dbt.asset_utils import DAGSTER_DBT_UNIQUE_ID_METADATA_KEY as TEST_ID

from ecom_platform.assets import describe
from ecom_platform.datasets import Dataset
from ecom_platform.engines.dbt import NodeResult, build
from ecom_platform.engines.duckdb import Engine, quote, text
from ecom_platform.lake.events import partition_metadata
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import open_storage
from ecom_platform.lake.warehouse import build_warehouse
from ecom_platform.lake.whole import WholeDatasets
from ecom_platform.marts import MARTS, PROJECT, load_manifest, load_marts
from ecom_platform.privacy import redact
from ecom_platform.settings import Settings

#: Where it is written what to do when a test of dbt says no, in the documentation.
RUNBOOK = "runbooks/checks.md#dbt-tests"
#: What dbt says of a test whose severity is error; of a warning it says `warn`.
FAILED = ("fail", "error")


class MartTranslator(DagsterDbtTranslator):
    """What Dagster is told of dbt's sources, models and tests.

    Args:
        marts: dbt's id -> mart.
        project: Folder of the project, for links to the code.
    """

    def __init__(self, marts: Mapping[str, Dataset], project: Path) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_source_metadata=False))
        self._marts = marts
        self._project = project

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Return the key that the lake has: `cleaned/orders` of a source, `marts/…` of a model."""
        layer = dbt_resource_props.get("source_name", MARTS)
        return dg.AssetKey([layer, dbt_resource_props["name"]])

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """Return an asset as all others are described, with dbt's lineage."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        mart = self._marts.get(unique_id)
        if mart is None:
            return spec
        node = manifest["nodes"][unique_id]
        file = self._project / node["original_file_path"]
        reference = dg.LocalFileCodeReference(file_path=str(file), line_number=1, label=file.name)
        return spec.replace_attributes(
            description=describe.description(mart),
            group_name=MARTS,
            owners=[mart.owner],
            kinds={"dbt", "duckdb", "parquet"},
            code_version=node["checksum"]["checksum"],
        ).merge_attributes(
            metadata={
                **describe.metadata(mart),
                "sql": dg.MetadataValue.md(f"```sql\n{node['raw_code']}\n```"),
                "dagster/code_references": dg.CodeReferencesMetadataValue(
                    code_references=[reference]
                ),
            }
        )

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return nothing: columns are told as of all other assets."""
        del dbt_resource_props
        return {}

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        """Return a test as a check that names its owner and its runbook."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None:
            return None
        node = manifest["nodes"][unique_id]
        sql = node["raw_code"]
        facts: dict[str, Any] = {"owner": asset_spec.owners[0], "runbook": RUNBOOK}
        if sql:
            facts["sql"] = dg.MetadataValue.md(f"```sql\n{sql}\n```")
        return dg.AssetCheckSpec(
            spec.name,
            asset=spec.asset_key,
            description=question_of(node),
            additional_deps=spec.additional_deps,
            # What a failed test holds back is its own mart, which is done while publishing.
            blocking=False,
            metadata={**spec.metadata, **facts},
        )


def question_of(test: Mapping[str, Any]) -> str:
    """Return what a test asks; one of a file says it in the file's first line."""
    first_line = str(test["raw_code"]).partition("\n")[0].removeprefix("-- ")
    return test["description"] or f"Finds nothing: {first_line[:1].lower()}{first_line[1:]}"


def build_mart_assets(
    settings: Settings, datasets: Sequence[Dataset], project: Path = PROJECT
) -> dg.AssetsDefinition:
    """Build the assets of all marts: one step, one invocation of dbt.

    Args:
        settings: Of the environment.
        datasets: All that the lake holds, of which dbt reads some.
        project: Folder of the dbt project.
    """
    manifest = load_manifest(project)
    marts = load_marts(manifest)
    read = {f"{source['source_name']}/{source['name']}" for source in manifest["sources"].values()}
    sources = [dataset for dataset in datasets if dataset.path in read]

    @dbt_assets(
        manifest=manifest,
        dagster_dbt_translator=MartTranslator(marts, project),
        name=MARTS,
        required_resource_keys={"engine"},
    )
    def compute(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        engine: Engine = context.resources.engine
        with explain_errors(settings.retry_seconds):
            storage = open_storage(settings.lake)
            # Before anything is read: what another run publishes from now on is newer.
            whole = WholeDatasets(storage, marts.values(), engine.scratch, context.run.run_id)
            lake = Lake(storage, settings.calendar, engine.scratch, context.run.run_id)
            lake.remember(sources)  # what it reads stays the same until the last mart is built
            warehouse = build_warehouse(lake, engine, sources, copied=False)
            # All of them, whichever are asked for: tests compare marts with each other.
            results = build(project, warehouse, settings)
            checks = [
                (spec, results[test])
                for spec in context.assets_def.check_specs
                if (test := spec.metadata[TEST_ID]) in results
            ]
            wrong = _problems(marts, checks, results)
            with engine.connect() as connection:
                connection.execute(f"ATTACH {text(str(warehouse))} AS warehouse (READ_ONLY)")
                for key, mart in marts.items():
                    asset = dg.AssetKey(mart.path.split("/"))
                    if asset not in context.selected_asset_keys or asset in wrong:
                        continue
                    table = f"warehouse.{quote(mart.layer)}.{quote(mart.name)}"
                    code = manifest["nodes"][key]["checksum"]["checksum"]
                    published = whole.publish(connection, mart, table, code)
                    facts = {"seconds": round(results[key].seconds, 2)}
                    yield dg.MaterializeResult(
                        asset_key=asset, metadata=partition_metadata(mart, published, facts)
                    )
            for spec, result in checks:
                if spec.key in context.selected_asset_check_keys and result.status != "skipped":
                    yield _answer(spec, result)
        if unpublished := [key for key in wrong if key in context.selected_asset_keys]:
            reasons = [f"{'/'.join(key.path)}: {'; '.join(wrong[key])}" for key in unpublished]
            summary = f"{len(reasons)} marts were not published; their last good versions stay."
            raise dg.Failure(redact("\n".join([summary, *reasons])), allow_retries=False)

    return compute


def _problems(
    marts: Mapping[str, Dataset],
    checks: Sequence[tuple[dg.AssetCheckSpec, NodeResult]],
    results: Mapping[str, NodeResult],
) -> dict[dg.AssetKey, list[str]]:
    """Return why marts are not to be published: they were not built, or a test failed."""
    found: dict[dg.AssetKey, list[str]] = {}
    # Models between the lake and the marts.
    broken = [
        f"{key.rpartition('.')[2]}: {result.message}"
        for key, result in results.items()
        if key.startswith("model.") and key not in marts and result.status == "error"
    ]
    for key, mart in marts.items():
        result = results[key]
        if result.status != "success":
            why = broken if result.status == "skipped" else [result.message]
            found[dg.AssetKey(mart.path.split("/"))] = ["it was not built", *why]
    for spec, result in checks:
        if result.status in FAILED:
            found.setdefault(spec.asset_key, []).append(f"{spec.name}: {_told(result)}")
    return found


def _answer(spec: dg.AssetCheckSpec, result: NodeResult) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=result.status == "pass",
        severity=dg.AssetCheckSeverity.ERROR
        if result.status in FAILED
        else dg.AssetCheckSeverity.WARN,
        description="" if result.status == "pass" else _told(result),
        metadata={"rows": result.failures},
    )


def _told(result: NodeResult) -> str:
    return redact(result.message) if result.status == "error" else f"{result.failures} rows"
