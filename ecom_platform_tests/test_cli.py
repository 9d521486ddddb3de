from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ecom_platform import __version__
from ecom_platform.commands import doctor
from ecom_platform_tests.commands.harness import call, ecom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform_tests.commands.harness import Done

    Call = Callable[..., Done]

DAYS = ("--from", "2024-03-01", "--to", "2024-03-02")
COMMANDS = ("run", "show", "export", "doctor", "demo", "dev")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return lambda *arguments: call(monkeypatch, capsys, *arguments)


def test_help_names_every_command_in_a_whole_sentence_and_the_exit_codes(command: Call) -> None:
    done = command("--help")

    assert (done.code, done.err) == (0, "")
    listed = done.out.partition("Commands:")[2]
    for name in COMMANDS:
        (line,) = [line for line in listed.splitlines() if line.startswith(f"  {name} ")]
        assert line.endswith(".")
        assert not line.endswith("...")
    assert "  2  Some days were not published" in done.out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_fits_a_terminal_and_explains_each_option(
    name: str, command: Call
) -> None:
    done = command(name, "--help")

    assert done.code == 0
    assert all(len(line) <= 80 for line in done.out.splitlines())
    options = [line for line in done.out.splitlines() if line.lstrip().startswith("-")]
    assert options
    assert not [line for line in options if line.split()[-1].startswith(("-", "<"))]


def test_the_version_is_that_of_the_package(command: Call) -> None:
    assert command("--version").out == f"{__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Usage: ecom"),
        (("walk",), "No such command"),
        (("run",), "Missing option '--from'"),
        (("run", "--from", "2024-03-01"), "Missing option '--to'"),
        (("run", *DAYS, "--fast"), "No such option"),
        (("run", "--from", "01.03.2024", "--to", "x"), "is not a day such as 2024-03-09"),
        (("run", "--from", "2024-02-30", "--to", "x"), "is not a day such as 2024-03-09"),
        (("show", *DAYS), "Missing argument"),
        (("show", "total_revenue", *DAYS, "--format", "xml"), "xml"),
        (("demo", "--orders", "10"), "--orders"),
    ],
)
def test_a_misspelled_command_is_an_error_with_code_1(
    arguments: tuple[str, ...], words: str, command: Call
) -> None:
    done = command(*arguments)

    assert done.code == 1  # 2 is for days that were not published
    assert words in done.err
    assert done.out == ""


def test_a_misspelled_command_ends_the_process_with_1() -> None:
    assert ecom("run", "--from", "yesterday", "--to", "today").code == 1


def test_an_error_is_one_message_without_a_traceback() -> None:
    done = ecom("show", "revenue", *DAYS)

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: There is no metric revenue.\n  What to do: It is one of ")
    assert len(done.err.splitlines()) == 2


@pytest.mark.parametrize("arguments", [("--debug", "show"), ("show", "--debug")])
def test_the_traceback_is_there_for_who_asks(arguments: tuple[str, ...]) -> None:
    done = ecom(*arguments, "revenue", *DAYS)

    assert done.code == 1
    assert "Traceback" in done.err
    assert "There is no metric revenue" in done.err


def test_an_error_that_nobody_foresaw_is_one_message_too(
    monkeypatch: pytest.MonkeyPatch, command: Call
) -> None:
    def fail() -> int:
        raise ZeroDivisionError("of someone@example.invalid at postgresql://me:hush@host/shop")

    monkeypatch.setattr(doctor, "examine", fail)
    done = command("doctor")

    assert (done.code, done.out) == (1, "")
    assert "ZeroDivisionError: of [e-mail] at postgresql://…@host/shop" in done.err
    assert "--debug" in done.err
    assert "Traceback" not in done.err


def test_a_bad_setting_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, command: Call
) -> None:
    monkeypatch.setenv("ECOM_TIMEZONE", "Mars/Olympus")

    done = command("run", *DAYS)

    assert done.code == 1
    assert "ECOM_TIMEZONE: not an IANA timezone name" in done.err
    assert "Mars" not in done.err


def test_settings_can_stand_in_a_file_and_variables_of_others_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME")
    (tmp_path / ".env").write_text(f"ECOM_START_DATE=2024-03-02\nDAGSTER_HOME={tmp_path}/home\n")
    (tmp_path / "home").mkdir()

    done = ecom("doctor")

    assert "days in UTC from 2024-03-02" in done.out
    assert f"{tmp_path}/home has no dagster.yaml yet" in " ".join(done.out.split())


def test_what_takes_seconds_to_import_is_not_imported_for_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")

    done = ecom("run", "--help")

    imported = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
    assert "typer" in imported
    assert not {"dagster", "duckdb", "pandas", "pyarrow"} & imported
