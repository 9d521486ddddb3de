"""Scratch folders go with their runs."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ecom_platform.scratch import scratch_folder


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def killed(tmp_path: Path) -> Path:
    """Return the scratch folder of a process that was killed."""
    code = (
        "from ecom_platform.scratch import scratch_folder\n"
        "with scratch_folder() as folder:\n"
        "    (folder / 'customers').write_text('all')\n"
        "    print(folder, flush=True)\n"
        "    input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        folder = Path(process.stdout.readline().strip())
        process.send_signal(signal.SIGKILL)
    assert (folder / "customers").exists()
    return folder


def test_a_folder_whose_process_was_killed_before_or_after_it_was_in_use_goes_too(
    tmp_path: Path,
) -> None:
    name = killed(tmp_path).name
    for child in tmp_path.iterdir():
        shutil.rmtree(child)
    (tmp_path / name[:-1]).mkdir()  # made, and not yet used; or partly removed
    with scratch_folder():
        assert not (tmp_path / name[:-1]).exists()


def test_the_folder_is_for_its_user_alone_and_goes_at_the_end() -> None:
    with scratch_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_what_a_killed_run_left_goes_with_the_next_and_what_is_in_use_stays(
    tmp_path: Path,
) -> None:
    with scratch_folder() as in_use:
        left = killed(tmp_path)
        with scratch_folder():
            assert not left.exists()
            assert in_use.exists()
