"""How `ecom warehouse` and `ecom catalog` are spelled; what they do is in `commands/`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

warehouse = typer.Typer(help="The lake as one DuckDB file.", no_args_is_help=True)
catalog = typer.Typer(help="The lake's tables in AWS Glue, for Athena.", no_args_is_help=True)

Database = Annotated[
    str, typer.Option(metavar="NAME", help="The database of Glue that holds the tables.")
]
Raw = Annotated[
    bool, typer.Option("--raw", help="The layer `raw` too, which holds e-mail addresses.")
]


@warehouse.command()
def build(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to; a file that is there is replaced.")
    ] = Path("warehouse.duckdb"),
) -> int:
    """Write all tables but `raw` to one DuckDB file.

    Of a lake in a folder it holds views of the lake's own files; of one in S3, copies of their
    rows. DuckDB reads it from version 1.0 on.
    """
    from ecom_platform.commands.warehouse import write_warehouse
    from ecom_platform.settings import load_settings

    return write_warehouse(load_settings(), file)


@catalog.command()
def show(*, database: Database = "ecom", raw: Raw = False) -> int:
    """Print the tables as JSON, as Glue takes them."""
    from ecom_platform.commands.catalog import show_catalog
    from ecom_platform.settings import load_settings

    return show_catalog(load_settings(), database, raw=raw)


@catalog.command()
def apply(*, database: Database = "ecom", raw: Raw = False) -> int:
    """Create the database and the tables in Glue, and bring those in line that differ.

    Tables that are not the platform's are left alone.
    """
    from ecom_platform.commands.catalog import apply_catalog
    from ecom_platform.settings import load_settings

    return apply_catalog(load_settings(), database, raw=raw)
