"""Writes the pages of docs/reference/ from the code: settings, commands, datasets and more.

Usage: python docs/generate_reference.py

Nothing is said here that the code says; a test compares the pages with what this makes.
"""  # noqa: INP001 - a script beside the pages it writes

from __future__ import annotations

import inspect
import re
import warnings
from dataclasses import dataclass
from datetime import date
from enum import Enum, EnumType
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import dagster as dg
from dagster import AssetCheckSeverity
from typer.models import ArgumentInfo

from ecom_platform.alert_settings import AlertSettings
from ecom_platform.assets.checks import build_checks
from ecom_platform.assets.day_checks import declare_checks
from ecom_platform.assets.marts import question_of
from ecom_platform.assets.measures import DRIFT, NULLS, SHARES, VALUE
from ecom_platform.assets.metrics import METRICS, Metric
from ecom_platform.assets.sql_files import SQL_FOLDER, SqlFile
from ecom_platform.cli.main import EXIT_CODES, app
from ecom_platform.datasets import CLEANED, QUARANTINE, RAW, Dataset, Type
from ecom_platform.instance import DEPLOYMENT_VARIABLES
from ecom_platform.marts import load_manifest, load_marts
from ecom_platform.quality.thresholds import DEFAULTS
from ecom_platform.settings import DEFAULT_PAYMENT_STATUSES, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydantic.fields import FieldInfo

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate_reference.py; do not edit. -->"
#: What a no is of checks that tell a little from a lot.
STATISTICAL = dict.fromkeys((VALUE, SHARES, NULLS), "a warning or an error")
STATISTICAL[DRIFT] = "a warning"
UNITS = {
    "money": "money, in the shop's currency",
    "count": "a count",
    "ratio": "a ratio",
}


def pages() -> dict[str, str]:
    """Return file name -> text of every page."""
    made = {
        "settings.md": _settings(),
        "commands.md": _commands(),
        "datasets.md": _datasets(),
        "metrics.md": _metrics(),
        "marts.md": _marts(),
        "checks.md": _checks(),
        "thresholds.md": _thresholds(),
    }
    return {name: "\n".join([NOTE, "", *lines]).rstrip() + "\n" for name, lines in made.items()}


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield "|---" * len(header) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


# --------------------------------------------------------------------------- settings


def _settings() -> Iterator[str]:
    # Of a model, what it inherits comes first; here, who is told comes last.
    fields = Settings.model_fields
    inherited = {name: fields[name] for name in AlertSettings.model_fields}
    fields = {n: field for n, field in fields.items() if n not in inherited} | inherited
    yield from (
        "# Settings",
        "",
        "Settings are environment variables. A file `.env` in the folder where a command is",
        "started is read too; what is set in the environment comes first. `ecom doctor` checks",
        "them all, and a wrong one is an error that names it.",
        "",
    )
    rows = [
        (f"`ECOM_{name.upper()}`", _default(field), f"{field.description}{_limits(field)}")
        for name, field in fields.items()
    ]
    yield from _table(("Variable", "Default", "Meaning"), rows)
    yield from (
        "## Variables of others",
        "",
        "`DAGSTER_HOME` is the folder where Dagster records its runs. `AWS_*` variables say how",
        "S3 and SNS are reached: credentials, `AWS_REGION`, and `AWS_ENDPOINT_URL` for a server",
        "other than Amazon's.",
        "",
        "A [deployment on AWS](../how-to/deploy-to-aws.md) sets these in its task definitions:",
        "",
        "| Variable | Meaning |",
        "|---|---|",
        *(f"| `{name}` | {meaning} |" for name, meaning in DEPLOYMENT_VARIABLES.items()),
        "",
        "## Words for payment statuses",
        "",
        "These words of a source are known, in capitals or not. `ECOM_PAYMENT_STATUSES` adds",
        "others; all that remain become `other`.",
        "",
    )
    words = DEFAULT_PAYMENT_STATUSES.items()
    yield from _table(
        ("Status", "Words"),
        [(f"`{status}`", ", ".join(f"`{word}`" for word in group)) for status, group in words],
    )


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None or value in ({}, ()):
        return "unset"
    return f"`{','.join(value) if isinstance(value, tuple) else value}`"


def _limits(field: FieldInfo) -> str:
    limits = {
        name: getattr(rule, name)
        for rule in field.metadata
        for name in ("ge", "le")
        if hasattr(rule, name)
    }
    if len(limits) > 1:
        return f" From {limits['ge']} to {limits['le']}."
    return f" At least {limits['ge']}." if limits.get("ge") else ""


# --------------------------------------------------------------------------- commands


def _commands() -> Iterator[str]:
    commands = named_commands()
    yield from (
        "# Commands",
        "",
        "`make install` puts `ecom` into `.venv/bin`. `ecom --help` and `ecom COMMAND --help` say",
        "what stands here.",
        "",
    )
    yield from _table(
        ("Command", "What it does"),
        [
            (
                f"[`ecom {name}`](#ecom-{name.replace(' ', '-')})",
                cleandoc(command.__doc__ or "").splitlines()[0],
            )
            for name, command in commands.items()
        ],
    )
    yield from ("Options of every command:", "")
    yield from _options(parameters(app.registered_callback.callback))
    yield from ("## Exit codes", "")
    codes = [line.split(maxsplit=1) for line in EXIT_CODES.splitlines() if line.startswith("  ")]
    yield from _table(("Code", "Meaning"), [(f"`{code}`", meaning) for code, meaning in codes])
    for name, command in commands.items():
        taken = parameters(command)
        required = [p.spelling.split(", ")[-1] for p in taken if p.default == "required"]
        rest = ["[OPTIONS]"] if len(required) < len(taken) else []
        yield from (f"## ecom {name}", "", "```text", " ".join(["ecom", name, *required, *rest]))
        yield from ("```", "", *cleandoc(command.__doc__ or "").splitlines(), "")
        yield from _options(taken)


def named_commands() -> dict[str, Callable[..., Any]]:
    """Return the commands by what is typed after `ecom`, those of groups after the others."""
    groups = [("", app)]
    groups += [(f"{info.name} ", info.typer_instance) for info in app.registered_groups]
    return {
        prefix + (info.name or info.callback.__name__): info.callback
        for prefix, group in groups
        for info in group.registered_commands
        if info.callback
    }


@dataclass(frozen=True)
class Parameter:
    """An argument or option of a command, as its user sees it."""

    spelling: str
    meaning: str
    default: str


def parameters(command: Callable[..., Any]) -> list[Parameter]:
    """Read a command's signature: what typer makes of it differs between its versions."""
    hints = get_type_hints(command, include_extras=True)
    signature = inspect.signature(command).parameters
    return [
        _parameter(name, *get_args(hints[name])[:2], signature[name].default)
        for name in signature
        if get_origin(hints[name]) is Annotated
    ]


def spellings() -> dict[str, set[str]]:
    """Return command -> every way to write one of its options."""
    general = {"--help", "--debug"}
    return {
        name: general.union(
            word for p in parameters(command) for word in re.findall(r"-[a-z-]+", p.spelling)
        )
        for name, command in named_commands().items()
    }


def _parameter(name: str, kind: Any, info: Any, default: Any) -> Parameter:
    # In `Annotated`, typer takes the first spelling for a default until the command is called.
    spelt = [text for text in (info.default, *(info.param_decls or ())) if isinstance(text, str)]
    names = sorted(spelt or [f"--{name.replace('_', '-')}"], key=len)
    choices = next(([*k] for k in (kind, *get_args(kind)) if isinstance(k, EnumType)), [])
    value = info.metavar or (name.upper() if choices else "")
    if isinstance(info, ArgumentInfo):
        names = []
    meaning = (info.help or "").rstrip(".")
    if choices:
        meaning += f"; one of {_code([choice.value for choice in choices])}"
    for word, limit in (("at least", info.min), ("at most", info.max)):
        meaning += f"; {word} {limit:,}" if limit is not None else ""
    if default is inspect.Parameter.empty:
        shown = "required"
    elif default is None or default is False:
        shown = ""
    else:
        shown = f"`{default.value if isinstance(default, Enum) else default}`"
    return Parameter(" ".join(filter(None, [", ".join(names), value])), meaning, shown)


def _options(taken: Sequence[Parameter]) -> Iterator[str]:
    rows = [(f"`{p.spelling}`", p.meaning, p.default) for p in taken]
    if rows:
        yield from _table(("Option", "Meaning", "Default"), rows)


# --------------------------------------------------------------------------- datasets


def _datasets() -> Iterator[str]:
    yield from (
        "# Datasets",
        "",
        "One day of one dataset is one Parquet file:",
        "",
        "```text",
        "{ECOM_LAKE}/{layer}/{dataset}/date=YYYY-MM-DD/data.parquet",
        "```",
        "",
        "`date`, the business day, is in the path and not in the file; readers of the Hive layout",
        "give it as a column. The metrics have a [page of their own](metrics.md).",
        "",
        f"`{Type.ID}` is `BIGINT` where the source's ids are integers, else `VARCHAR`. Columns",
        "marked *personal* identify a person; `ecom export` leaves them out.",
        "",
    )
    for dataset in (*RAW, *CLEANED, *QUARANTINE):
        yield from _dataset(dataset)


def _dataset(dataset: Dataset) -> Iterator[str]:
    yield from (
        f"## {dataset.path}",
        "",
        dataset.description,
        "",
        f"- Grain: {dataset.grain}",
        *([f"- Key: {_code(dataset.key)}, within the day"] if dataset.key else []),
        f"- Owner: `{dataset.owner}`",
        "",
    )
    yield from _columns(dataset)


def _columns(dataset: Dataset) -> Iterator[str]:
    rows = [
        (
            f"`{column.name}`",
            f"`{column.type}`",
            "" if column.required or column.name in dataset.key else "yes",
            ("The metric" if column.description == dataset.description else column.description)
            + (f": {_code(column.accepted)}" if column.accepted else "")
            + (" (*personal*)" if column.pii else ""),
        )
        for column in dataset.columns
    ]
    yield from _table(("Column", "Type", "May be NULL", "Meaning"), rows)


def _code(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# --------------------------------------------------------------------------- metrics


def _metrics() -> Iterator[str]:
    yield from (
        "# Metrics",
        "",
        "Each metric is one SQL file in `ecom_platform/sql/metrics/`, and one dataset of the lake.",
        "Every metric has rows with the region `all`, computed on their own. Where regions sum to",
        "`all`, that is said; elsewhere they do not.",
        "",
    )
    for metric in METRICS:
        yield from _metric(metric)


def _metric(metric: Metric) -> Iterator[str]:
    sql = SqlFile(SQL_FOLDER / "metrics" / f"{metric.name}.sql")
    dataset = metric.dataset
    better = {"up": "more", "down": "less", "neither": "neither more nor less"}[metric.direction]
    window = ", over the last `ECOM_RETENTION_DAYS` days" if metric.looks_back else ""
    yield from (
        f"## {metric.name}",
        "",
        metric.description,
        "",
        f"- Unit: {UNITS[metric.unit]}; {better} is better",
        f"- Grain: {dataset.grain}{'; regions sum to `all`' if metric.additive else ''}",
        f"- Computed from: {_code(sql.inputs)}{window}",
        f"- Owner: `{metric.owner}`",
        "",
    )
    yield from _columns(dataset)
    yield from ("```sql", sql.text, "```", "")


# --------------------------------------------------------------------------- marts


def _marts() -> Iterator[str]:
    yield from (
        "# Marts",
        "",
        "Tables over all days, made by dbt from the metrics and the cleaned data, anew each",
        "morning. A mart is one Parquet file, which is replaced in one step:",
        "",
        "```text",
        "{ECOM_LAKE}/marts/{mart}/data.parquet",
        "```",
        "",
        "What they have in common is told in the [explanation](../explanation/marts.md). The",
        "region `all` is a row of its own. The *report day* is the newest day that is in all of",
        "the main metrics. Money is `DECIMAL(18,2)`, in the shop's currency.",
        "",
    )
    manifest = load_manifest()
    for key, mart in load_marts(manifest).items():
        file = f"ecom_platform/dbt/{manifest['nodes'][key]['original_file_path']}"
        reads = [node.split(".", 2)[2].replace(".", "/") for node in manifest["parent_map"][key]]
        yield from (
            f"## {mart.name}",
            "",
            mart.description,
            "",
            f"- Grain: {mart.grain}; key: {_code(mart.key)}",
            f"- Made from: {_code(reads)}",
            f"- Owner: `{mart.owner}`; SQL: `{file}`",
            "",
        )
        rows = [(f"`{c.name}`", f"`{c.type}`", c.description) for c in mart.columns]
        yield from _table(("Column", "Type", "Meaning"), rows)
        yield from ("It is published only if these tests pass:", "")
        tests = (n for n in manifest["nodes"].values() if n.get("attached_node") == key)
        yield from _table(
            ("Test", "What it asks"),
            [(f"`{test['name']}`", question_of(test)) for test in tests],
        )


# --------------------------------------------------------------------------- checks


def _checks() -> Iterator[str]:
    yield from (
        "# Checks",
        "",
        "Asset checks ask questions of the published lake, for each day of a run; some ask what",
        "the source is like now, and whether the newest day is there. Their answers",
        "are in Dagster, at the asset; they never hold back data. What must hold of a day before",
        "it is published is told in the [architecture](../explanation/architecture.md).",
        "",
        "Those that ask what is usual compare a day with the weeks before it: how, and what they",
        "catch, is told in [anomalies](../explanation/anomalies.md). Their limits are in the",
        "[thresholds](thresholds.md).",
        "",
    )
    # The checks themselves do not depend on the environment's settings.
    settings = Settings.model_construct(start_date=date(2024, 1, 1))
    declared = {(check.dataset, check.name): check for check in declare_checks(settings)}
    rows: list[tuple[str, ...]] = []
    for spec in _check_specs(settings):
        asset = spec.asset_key.to_user_string()
        check = declared.get((asset, spec.name))
        of_source = not spec.partitions_def and asset.startswith("raw/")
        warns = of_source or (check and check.severity is AssetCheckSeverity.WARN)
        answer = STATISTICAL.get(spec.name, "a warning" if warns else "an error")
        rows.append(
            (
                f"`{asset}`",
                f"[`{spec.name}`](../runbooks/checks.md#{spec.name})",
                spec.description or "",
                answer,
                f"`{check.threshold}`" if check and check.threshold else "",
            )
        )
    yield from _table(("Asset", "Check", "Question", "A no is", "Threshold"), sorted(rows))


def _check_specs(settings: Settings) -> list[dg.AssetCheckSpec]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [spec for made in build_checks(settings) for spec in made.check_specs]


# --------------------------------------------------------------------------- thresholds


def _thresholds() -> Iterator[str]:
    yield from (
        "# Thresholds",
        "",
        "The limits of the checks and their defaults. A file of your own, named by",
        "`ECOM_THRESHOLDS`, holds only what differs: see",
        "[tune the checks](../how-to/tune-the-checks.md). A key that is not here, a value of",
        "another type and an asset that does not exist are errors, which `ecom doctor` tells.",
        "",
        "```toml",
        DEFAULTS.read_text(encoding="utf-8").rstrip(),
        "```",
    )


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
