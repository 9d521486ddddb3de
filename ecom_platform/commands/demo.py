"""`ecom demo` and `ecom dev`: a made-up shop in a real database, materialized and looked at."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn

from ecom_platform.commands.demo_report import print_kpis, print_next, print_seconds
from ecom_platform.commands.formats import PlainConsole, messages
from ecom_platform.settings import CODE_LOCATION, load_settings

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import date

    from rich.console import Console

    from ecom_platform.settings import Settings

ENVIRONMENT = "demo.env"
DATABASE = "postgres"
SHOWN_DAYS = 7

#: As the project's own workspace.yaml, which an installed package does not have.
WORKSPACE = f"""\
load_from:
  - python_module:
      module_name: ecom_platform.definitions
      location_name: {CODE_LOCATION}
"""

#: Dagster recommends `dg dev`, which starts the same services but is not installed with them.
QUIETLY = ("-W", "ignore:Function `dev_command` is superseded")


def run_demo(orders: int, days: int, folder: Path, *, debug: bool) -> int:
    """Make the shop, materialize its last closed days, show them; return the exit code."""
    from ecom_platform.commands.conclusion import print_incidents
    from ecom_platform.commands.outcome import DONE
    from ecom_platform.commands.pages import execute_pages
    from ecom_platform.commands.progress import terminal
    from ecom_platform.commands.run import execute_range
    from ecom_platform.sources.embedded_postgres import start_postgres

    seconds: dict[str, float] = {}
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=days - 1)
    shown_folder = _shown(folder)
    folder = folder.expanduser().absolute()
    with terminal() as console:
        with _timed(seconds, "start PostgreSQL", console):
            address = start_postgres(folder / DATABASE)
        with _timed(seconds, f"make a shop of {orders:,} orders", console):
            _make_shop(address, orders, first, last, console)
        write_environment(folder, address, first)
        ecom = _own_command()
        settings = _use_environment(folder)
        with _timed(seconds, f"materialize {days} days through Dagster", console):
            outcome = execute_range(first, last, console)
        outcome.print_problems(console, debug=debug)
        if outcome.code == DONE:
            with _timed(seconds, "build the marts and the page of the morning", console):
                pages = execute_pages()
            pages.print_problems(console, debug=debug)
        print_incidents(settings, outcome.run, console)
    if outcome.code == DONE:
        console = PlainConsole(highlight=False)
        shown = max(first, last - timedelta(days=SHOWN_DAYS - 1))
        print_kpis(settings, shown, last, console)
        print_seconds(seconds, outcome.seconds, console)
        print_next(shown_folder, ENVIRONMENT, ecom, f"--from {shown} --to {last}", console)
    return outcome.code


def stop_demo(folder: Path) -> int:
    """Stop the demo's database; return the exit code."""
    from ecom_platform.sources.embedded_postgres import stop_postgres

    stop_postgres(folder / DATABASE)
    return 0


def open_dagster(folder: Path, port: int) -> None:
    """Become `dagster dev`, with the demo's environment where a demo was run."""
    from ecom_platform.commands.run import prepare_instance
    from ecom_platform.sources.embedded_postgres import start_postgres

    folder = folder.expanduser().absolute()
    if (folder / ENVIRONMENT).exists():
        start_postgres(folder / DATABASE)
        _use_environment(folder)
    else:
        prepare_instance(messages())
    workspace = Path(os.environ["DAGSTER_HOME"]) / "workspace.yaml"
    workspace.write_text(WORKSPACE)
    command = [sys.executable, *QUIETLY, "-m", "dagster", "dev", "-w", str(workspace)]
    # The very point: no shell between.
    os.execv(sys.executable, [*command, "-p", str(port)])  # noqa: S606


def _make_shop(address: str, orders: int, first: date, last: date, console: Console) -> None:
    from ecom_platform.sources.demo_shop import DemoShop, load_demo_shop

    shop = DemoShop(orders=orders, first_day=first, last_day=last)
    with Progress(
        TextColumn("orders"),
        BarColumn(20),
        TextColumn("{task.completed:,}/{task.total:,}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("orders", total=orders)
        load_demo_shop(
            address, shop, lambda done, total: bar.update(task, completed=done, total=total)
        )


def write_environment(folder: Path, shop: str, first: date) -> None:
    """Leave the settings of a demo in its folder: its database, its lake, its first day."""
    values = {
        "ECOM_SOURCE": shop,
        "ECOM_LAKE": str(folder / "lake"),
        "ECOM_START_DATE": first.isoformat(),
        # Whoever looks on does not wait for minutes.
        "ECOM_CHANGE_CHECK_MINUTES": "1",
        "DAGSTER_HOME": str(folder),
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    (folder / ENVIRONMENT).write_text("\n".join(lines) + "\n")


def read_environment(folder: Path) -> dict[str, str]:
    """Return the settings that a demo has left in its folder."""
    lines = (folder / ENVIRONMENT).read_text().splitlines()
    values = (line.partition("=") for line in lines)
    return {name: shlex.split(value)[0] for name, _, value in values}


def _use_environment(folder: Path) -> Settings:
    """Make the demo's settings the only ones: not the user's own, nor those of a `.env` file."""
    for name in [name for name in os.environ if name.startswith("ECOM_")]:
        del os.environ[name]
    os.environ |= read_environment(folder)
    os.chdir(folder)
    from ecom_platform.commands.run import prepare_instance

    prepare_instance(messages())
    return load_settings()


@contextmanager
def _timed(seconds: dict[str, float], what: str, console: Console) -> Generator[None]:
    start = time.monotonic()
    yield
    seconds[what] = time.monotonic() - start
    console.print(f"[green]✓[/] {what} [dim]({seconds[what]:.1f} s)[/]")


def _shown(path: Path) -> str:
    """Return a path as it is shortest from here."""
    path = path.expanduser().absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _own_command() -> str:
    """Return how this very command is called again from here."""
    ecom = Path(sys.executable).parent / "ecom"
    if not ecom.exists() or shutil.which("ecom") == str(ecom):
        return "ecom"
    return shlex.quote(_shown(ecom))
