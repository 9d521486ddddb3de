"""The machine itself: disks that are full, and clocks that are set back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ecom_platform_tests.torture.change import DAYS, disturbed
from ecom_platform_tests.torture.kills import RUN, files_in_folder
from ecom_platform_tests.torture.processes import PATIENCE
from ecom_platform_tests.torture.tally import Tally, assert_code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ecom_platform_tests.torture.world import World

#: Of a page of memory, which is what a file takes at least on the disk that is filled.
_PAGE = 4096
#: What `faketime` does to the clock, before a run and then before the next.
_CLOCKS = ("-1h", "-3d", "+3d")


def full_disks(folder: Path, seed: int, times: int) -> None:
    """Fill the disk of the lake, of Dagster's home and of scratch, a few pages from its end."""
    if os.geteuid() != 0:
        Tally("the disk is full", "folder", notes="not tried: only root can mount a small disk")
        return
    change = files_in_folder(folder, seed)
    for part, what in (("lake", "lake"), ("home", "DAGSTER_HOME"), ("tmp", "scratch")):
        tally = Tally(f"the disk of the {what} is full", "folder")
        tally.notes = "ends with 0 where it just fits, else with 1 or 2"
        for pages in [3**number for number in range(times)]:
            with (
                tally.attempt(f"{pages} free pages"),
                disturbed(change) as world,
                _small_disk(world.folder / part, pages) as disk,
            ):
                ended = world.run(DAYS[0], DAYS[-1])
                subprocess.run(["mount", "-o", "remount,size=1g", disk], check=True)  # noqa: S607
                change.judge(world, ended, 0, 1, 2)
                change.run_again(world)


@contextmanager
def _small_disk(folder: Path, pages: int) -> Iterator[Path]:
    """Put what a folder holds on a disk of its own, with so many free pages."""
    kept = folder.with_name(f"{folder.name}-kept")
    folder.rename(kept)
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", folder]
    subprocess.run(mount, check=True)
    try:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        found = os.statvfs(folder)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        size = f"remount,size={used + pages * _PAGE}"
        subprocess.run(["mount", "-o", size, folder], check=True)  # noqa: S607
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S607


def clocks(folder: Path, seed: int) -> None:
    """Run with a clock that is wrong, then with one that is right."""
    faketime = shutil.which("faketime")
    if not faketime:
        Tally("the clock is set back", "folder", notes="not tried: faketime is not installed")
        return
    change = files_in_folder(folder, seed)
    tally = Tally("the clock is wrong, then right", "folder", notes=", ".join(_CLOCKS))
    for clock in _CLOCKS:
        with tally.attempt(clock), disturbed(change) as world:
            code, said = _run_at(faketime, clock, world)
            assert_code(code, 0, said=said)
            change.run_again(world)


def _run_at(faketime: str, clock: str, world: World) -> tuple[int, str]:
    done = subprocess.run(
        [
            *(faketime, "-f", clock, sys.executable, "-c"),
            *("from ecom_platform.cli.main import main; main()", *RUN),
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | world.environment(),
        cwd=world.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
