"""Objects of a lake: conditional, atomic, never half there, in a folder as in S3."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import duckdb
import obstore
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import dataset as arrow_dataset
from pyarrow import parquet

from ecom_platform.errors import (
    LakeError,
    LakeUnavailableError,
    MissingPartitionError,
    PublishConflictError,
)
from ecom_platform.lake.base import fetch_one
from ecom_platform.lake.folder import FolderStorage
from ecom_platform.lake.storage import open_storage
from ecom_platform.object_store import explain_s3_error, open_s3
from ecom_platform_tests.lake.lossy_proxy import Loss, lossy_proxy

if TYPE_CHECKING:
    from ecom_platform.lake.base import Storage

PATH = "raw/orders/date=2024-01-01/data.parquet"
WRITERS = 16

# What another process does: publish what differs from what it saw, for ever or for some times.
PUBLISHER = """
import sys
from pathlib import Path
from ecom_platform.errors import PublishConflictError
from ecom_platform.lake.storage import open_storage

address, scratch, do = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
scratch.mkdir()
storage = open_storage(address)

def replace_for_ever(objects, files):
    turn = 0
    print("ready", flush=True)
    while True:
        for path in objects:
            file = Path(files[turn % len(files)])
            seen = storage.etags("raw/orders").get(path)
            storage.put(path, file, replaces=seen, facts={"ecom-run": str(turn)})
            turn += 1

def count_up(path, times):
    for _ in range(times):
        while True:
            seen = storage.etags("raw/orders").get(path)
            found = storage.fetch([path], scratch)
            number = int(found[path].read_text()) if found else 0
            if storage.etags("raw/orders").get(path) != seen:
                continue
            (scratch / "next").write_text(str(number + 1))
            try:
                storage.put(path, scratch / "next", replaces=seen, facts={"ecom-run": str(scratch)})
            except PublishConflictError:
                continue
            break

exec(do)
"""


def write(folder: Path, content: str, *, rows: int = 1) -> Path:
    """Write a Parquet file with some content; its footer says so."""
    file = folder / f"{uuid4().hex}.parquet"
    table = pa.table({"content": [content] * rows, "noise": [os.urandom(8) for _ in range(rows)]})
    parquet.write_table(table.replace_schema_metadata(facts(content)), file)
    return file


def facts(content: str) -> dict[str, str]:
    """Return the facts of an object with some content."""
    return {"ecom-content": content, "ecom-run": f"run of {content}"}


def put(storage: Storage, folder: Path, content: str, replaces: str | None) -> str:
    """Store a new object with some content."""
    file = write(folder, content)
    return storage.put(PATH, file, replaces=replaces, facts=facts(content))


def read(storage: Storage, folder: Path, path: str = PATH) -> str:
    """Return the content of an object, as a reader sees it who comes now."""
    scratch = folder / f"reader-{uuid4().hex}"
    return parquet.ParquetFile(storage.fetch([path], scratch)[path]).read()["content"][0].as_py()


def test_an_object_has_the_version_that_its_put_gave_it(address: str, tmp_path: Path) -> None:
    storage = open_storage(address)
    assert storage.etags("raw/orders") == {}
    assert storage.stat(PATH) is None
    assert storage.fetch([PATH], tmp_path) == {}

    etag = put(storage, tmp_path, "first", None)

    found = storage.stat(PATH)
    assert found is not None
    assert found.etag == etag
    assert facts("first").items() <= found.metadata.items()
    assert storage.etags("raw/orders") == {PATH: etag}
    assert storage.etags("raw/order") == {}
    assert storage.fetch([PATH], tmp_path)[PATH].stat().st_size == found.size
    assert storage.uri(PATH) == f"{address}/{PATH}"


def test_of_two_writers_who_saw_no_object_one_wins(address: str, tmp_path: Path) -> None:
    storage = open_storage(address)
    put(storage, tmp_path, "first", None)
    with pytest.raises(PublishConflictError, match=rf"{PATH} was changed by another run"):
        put(storage, tmp_path, "second", None)
    assert read(storage, tmp_path) == "first"


def test_of_two_writers_who_saw_the_same_version_one_wins(address: str, tmp_path: Path) -> None:
    storage = open_storage(address)
    seen = put(storage, tmp_path, "old", None)
    newer = put(storage, tmp_path, "new", seen)
    with pytest.raises(PublishConflictError):
        put(storage, tmp_path, "late", seen)
    assert read(storage, tmp_path) == "new"
    assert newer != seen
    put(storage, tmp_path, "newest", newer)
    assert read(storage, tmp_path) == "newest"


@pytest.mark.parametrize("existing", [False, True])
def test_of_16_writers_at_once_one_wins(address: str, tmp_path: Path, existing: bool) -> None:
    seen = put(open_storage(address), tmp_path, "old", None) if existing else None
    start = Barrier(WRITERS)

    def race(number: int) -> str | None:
        storage, file = open_storage(address), write(tmp_path, f"writer {number}")
        start.wait()
        try:
            storage.put(PATH, file, replaces=seen, facts=facts(f"writer {number}"))
        except PublishConflictError:
            return None
        return f"writer {number}"

    with ThreadPoolExecutor(WRITERS) as pool:
        winners = [name for name in pool.map(race, range(WRITERS)) if name]
    assert len(winners) == 1
    assert read(open_storage(address), tmp_path) == winners[0]


def test_what_was_removed_since_is_a_conflict_too(address: str, tmp_path: Path) -> None:
    storage = open_storage(address)
    seen = put(storage, tmp_path, "old", None)
    remove(storage)
    with pytest.raises(PublishConflictError):
        put(storage, tmp_path, "new", seen)
    assert storage.stat(PATH) is None


def test_no_update_is_lost_between_processes(address: str, tmp_path: Path) -> None:
    """Each adds one to a number, again and again; a stale one that is stored shows in the sum."""
    processes, times = 3, 5
    counters = [
        publisher(address, tmp_path / f"counter-{number}", f"count_up({PATH!r}, {times})")
        for number in range(processes)
    ]
    assert [counter.communicate()[1] for counter in counters] == [""] * processes
    assert open_storage(address).fetch([PATH], tmp_path)[PATH].read_text() == str(processes * times)


def test_a_killed_writer_leaves_every_object_old_or_new(address: str, tmp_path: Path) -> None:
    days = [f"raw/orders/date=2024-01-0{day}/data.parquet" for day in range(1, 4)]
    files = [str(write(tmp_path, content, rows=100_000)) for content in ("odd", "even")]
    storage = open_storage(address)
    storage.put(days[0], Path(files[0]), replaces=None, facts={"ecom-run": "the first"})
    for attempt in range(4):
        killed = publisher(
            address, tmp_path / f"killed-{attempt}", f"replace_for_ever({days!r}, {files!r})"
        )
        assert killed.stdout is not None
        killed.stdout.readline()
        time.sleep(0.005 + 0.04 * attempt)
        killed.kill()
        killed.communicate()
        assert killed.returncode == -signal.SIGKILL

        there = storage.etags("raw/orders")
        assert days[0] in there
        assert set(there) <= set(days)
        assert {read(storage, tmp_path, path) for path in there} <= {"odd", "even"}
        if isinstance(storage, FolderStorage):
            seen = {str(path.relative_to(address)) for path in Path(address).glob("*/*/*/*")}
            assert seen == set(there)

    for path, etag in storage.etags("raw/orders").items():
        storage.put(path, write(tmp_path, "mended"), replaces=etag, facts=facts("mended"))
        assert read(storage, tmp_path, path) == "mended"
    if isinstance(storage, FolderStorage):
        assert not list(Path(address, ".tmp").iterdir())


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize(
    "losses",
    [["answer"], ["request"], ["busy", "busy", "busy"], ["busy", "answer"], ["reset", "cut"]],
    ids="-".join,
)
def test_a_put_whose_answer_is_lost_is_a_success(
    bucket: str,
    s3_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    losses: list[Loss],
    existing: bool,
) -> None:
    direct = open_storage(f"s3://{bucket}/lake")
    seen = put(direct, tmp_path, "old", None) if existing else None
    with lossy_proxy(s3_server, "PUT", [*losses]) as (endpoint, proxy):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        etag = put(open_storage(f"s3://{bucket}/lake"), tmp_path, "new", seen)
        assert proxy.losses == []
    assert direct.etags("raw") == {PATH: etag}
    assert read(direct, tmp_path) == "new"


def test_an_answer_that_ends_too_early_is_asked_for_again(
    bucket: str, s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = put(open_storage(f"s3://{bucket}/lake"), tmp_path, "whole", None)
    with lossy_proxy(s3_server, "GET", ["cut", "reset"]) as (endpoint, proxy):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        storage = open_storage(f"s3://{bucket}/lake")
        assert storage.etags("raw") == {PATH: etag}
        assert proxy.losses == []
        proxy.losses.extend(("cut", "reset"))
        assert read(storage, tmp_path) == "whole"
        assert proxy.losses == []


def test_the_error_of_s3_ends_with_the_cause(
    bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[Loss] = ["reset"]
    with lossy_proxy(s3_server, "PUT", lost) as (endpoint, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        store = open_s3(f"s3://{bucket}/{'a-long-prefix/' * 20}")
        with pytest.raises(LakeUnavailableError) as caught, explain_s3_error("s3://…"):
            obstore.put(store, "object", b"1", mode="create")
    assert caught.value.message.endswith(
        "expected: HTTP error: error sending request: Connection reset by peer."
    )


@pytest.mark.parametrize(
    ("ignores", "refuses", "lacks"),
    [
        ({"if-none-match"}, set[str](), "it ignores If-None-Match"),
        ({"if-match"}, set[str](), "it ignores If-Match"),
        (set[str](), {"if-none-match"}, "NotImplemented"),
    ],
    ids=["no If-None-Match", "no If-Match", "501"],
)
def test_a_store_without_conditional_put_is_no_lake(
    bucket: str,
    s3_server: str,
    monkeypatch: pytest.MonkeyPatch,
    ignores: set[str],
    refuses: set[str],
    lacks: str,
) -> None:
    with lossy_proxy(
        s3_server, "PUT", [], ignores=frozenset(ignores), refuses=frozenset(refuses)
    ) as (endpoint, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        storage = open_storage(f"s3://{bucket}/lake")
        with pytest.raises(LakeError, match=f"(?s)this store is no lake: {lacks}.*Use Amazon S3"):
            storage.check()
        assert storage.etags("") == {}


def test_a_put_that_lost_is_a_conflict_even_if_the_answer_is_lost(
    bucket: str, s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = open_storage(f"s3://{bucket}/lake")
    seen = put(direct, tmp_path, "old", None)
    put(direct, tmp_path, "newer", seen)
    with lossy_proxy(s3_server, "PUT", ["answer"]) as (endpoint, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(PublishConflictError):
            put(open_storage(f"s3://{bucket}/lake"), tmp_path, "late", seen)
    assert read(direct, tmp_path) == "newer"


def test_a_large_object_is_conditional_too(address: str, tmp_path: Path) -> None:
    """Above 5 MB obstore would use several requests, of which only the last has a condition."""
    storage = open_storage(address)
    large = write(tmp_path, "large", rows=1_500_000)
    assert large.stat().st_size > 10 << 20
    etag = storage.put(PATH, large, replaces=None, facts=facts("large"))
    with pytest.raises(PublishConflictError):
        storage.put(PATH, large, replaces=None, facts=facts("large, of another run"))
    found = storage.stat(PATH)
    assert found is not None
    assert (found.etag, found.size) == (etag, large.stat().st_size)
    assert storage.fetch([PATH], tmp_path / "out")[PATH].read_bytes() == large.read_bytes()


def test_a_reader_who_looks_again_gets_the_new_version(address: str, tmp_path: Path) -> None:
    reader, scratch = open_storage(address), tmp_path / "reader"
    old = put(open_storage(address), tmp_path, "old", None)
    for content in ("old", "new"):
        if content == "new":
            put(open_storage(address), tmp_path, content, old)
        reader.etags("raw/orders")
        file = reader.fetch([PATH], scratch)[PATH]
        assert parquet.ParquetFile(file).read()["content"].to_pylist() == [content]


@pytest.mark.parametrize("where", ["beside the lake", "on another file system"])
def test_a_pinned_file_stays_as_it_is_when_the_object_is_replaced(
    address: str, tmp_path: Path, where: str
) -> None:
    storage = open_storage(address)
    seen = put(storage, tmp_path, "old", None)
    with TemporaryDirectory(dir=tmp_path if where == "beside the lake" else "/dev/shm") as folder:  # noqa: S108
        files = storage.fetch([PATH, "raw/orders/none"], Path(folder), pinned=True)
        put(storage, tmp_path, "new", seen)
        storage.etags("raw")
        again = storage.fetch([PATH], Path(folder), pinned=True)[PATH]
        found = [parquet.ParquetFile(f).read()["content"][0].as_py() for f in (files[PATH], again)]
    assert (list(files), found) == ([PATH], ["old", "new"])
    assert read(storage, tmp_path) == "new"


def test_an_object_is_downloaded_once_for_all_steps_of_a_run(
    bucket: str, s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(open_storage(f"s3://{bucket}/lake"), tmp_path, "old", None)
    with lossy_proxy(s3_server, "PUT", []) as (endpoint, proxy):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        storage = open_storage(f"s3://{bucket}/lake")
        storage.etags("raw/orders")
        before = proxy.seen["GET"]
        for _ in range(3):
            storage.fetch([PATH], tmp_path / "scratch")
        assert proxy.seen["GET"] == before + 1


def test_an_object_that_was_removed_while_in_use_is_named(address: str, tmp_path: Path) -> None:
    storage = open_storage(address)
    put(storage, tmp_path, "there", None)
    assert fetch_one(storage, PATH, tmp_path).exists()
    remove(storage)
    with pytest.raises(MissingPartitionError, match=f"{PATH} was removed while it was in use"):
        fetch_one(open_storage(address), PATH, tmp_path / "other")


def test_a_damaged_object_has_no_facts_and_can_be_replaced(address: str, tmp_path: Path) -> None:
    storage = open_storage(address)
    put(storage, tmp_path, "good", None)
    damage(storage, b"not Parquet")
    found = storage.stat(PATH)
    assert found is not None
    assert not facts("good").items() & found.metadata.items()
    put(storage, tmp_path, "good", found.etag)
    assert read(storage, tmp_path) == "good"


def test_a_lake_that_can_be_written_passes_the_check_and_keeps_no_trace(address: str) -> None:
    storage = open_storage(address)
    storage.check()
    assert storage.etags("") == {}
    if isinstance(storage, FolderStorage):
        assert list(storage.root.iterdir()) == []


def test_a_lake_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("")
    storage = open_storage(str(tmp_path / "lake"))
    with pytest.raises(LakeError, match=r"(?s)The lake .*/lake cannot be used: .*ECOM_LAKE"):
        storage.check()
    with pytest.raises(LakeError, match=r"The lake .*/lake cannot be used"):
        put(storage, tmp_path, "new", None)


def test_a_disk_without_room_leaves_the_old_object(tmp_path: Path) -> None:
    address = str(tmp_path / "lake")
    storage = open_storage(address)
    etag = put(storage, tmp_path, "old", None)
    large = write(tmp_path, "new", rows=10_000)
    do = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
storage.put({PATH!r}, Path({str(large)!r}), replaces={etag!r}, facts={{}})
"""
    refused = publisher(address, tmp_path / "other", do)
    _, complaint = refused.communicate()
    assert refused.returncode == 1
    assert "LakeError: The lake" in complaint
    assert "check that the disk has room" in complaint
    assert read(storage, tmp_path) == "old"
    assert storage.etags("raw") == {PATH: etag}
    assert not list(Path(address, ".tmp").iterdir())


def test_a_process_that_stopped_while_it_held_a_lock_is_named(tmp_path: Path) -> None:
    address = str(tmp_path / "lake")
    do = f"""
import os, signal
with storage._locked({PATH!r}, "r7"):
    print("holding", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""
    put(open_storage(address), tmp_path, "old", None)
    stopped = publisher(address, tmp_path / "stopped", do)
    try:
        assert stopped.stdout is not None
        stopped.stdout.readline()
        storage = FolderStorage(Path(address), lock_seconds=0.1)
        with pytest.raises(
            LakeUnavailableError,
            match=rf"{PATH} cannot be replaced: another process has held the lock .*"
            rf"\(process {stopped.pid} on .*, run r7, since ",
        ) as error:
            put(storage, tmp_path, "new", storage.etags("raw")[PATH])
        assert "kill -CONT" in error.value.hint
        stopped.send_signal(signal.SIGCONT)
        assert stopped.wait() == 0
        put(storage, tmp_path, "new", storage.etags("raw")[PATH])
    finally:
        stopped.kill()
        stopped.communicate()


def test_readers_of_a_folder_see_nothing_but_objects(tmp_path: Path) -> None:
    """Whatever killed writers left; and everybody who reads by a pattern of paths."""
    storage = FolderStorage(tmp_path / "lake")
    put(storage, tmp_path, "old", None)
    (tmp_path / "lake" / ".tmp" / "left").write_bytes(b"half an obj")
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT content, date FROM read_parquet('{tmp_path}/lake/raw/orders/date=*/*')"
        ).fetchall()
    assert found == [("old", date(2024, 1, 1))]
    assert pd.read_parquet(tmp_path / "lake" / "raw" / "orders")["content"].tolist() == ["old"]
    everything = arrow_dataset.dataset(tmp_path / "lake" / "raw", partitioning="hive")
    assert everything.files == [str(tmp_path / "lake" / PATH)]
    put(storage, tmp_path, "new", storage.etags("raw")[PATH])
    assert list((tmp_path / "lake" / ".tmp").iterdir()) == []


@pytest.mark.parametrize("existing", [False, True])
def test_personal_data_is_for_nobody_else_on_the_machine(tmp_path: Path, existing: bool) -> None:
    lake = tmp_path / "lake"
    if existing:
        (lake / "raw").mkdir(parents=True)
        for folder in (lake, lake / "raw"):
            folder.chmod(0o755)
    storage = FolderStorage(lake)
    put(storage, tmp_path, "old", None)
    assert [(lake / name).stat().st_mode & 0o007 for name in ("raw", ".tmp")] == [0, 0]
    assert lake.stat().st_mode & 0o007 == (0o005 if existing else 0)


def test_a_bucket_that_does_not_exist_is_named(bucket: str, tmp_path: Path) -> None:
    storage = open_storage(f"s3://no-{bucket}/lake")
    with pytest.raises(LakeError, match=rf"The bucket no-{bucket} does not exist"):
        storage.check()
    with pytest.raises(LakeError, match=rf"The bucket no-{bucket} does not exist"):
        storage.etags("raw")
    with pytest.raises(LakeError, match=rf"The bucket no-{bucket} does not exist"):
        put(storage, tmp_path, "new", None)


@pytest.mark.parametrize(
    "lake",
    ["gs://bucket/lake", "s3:///lake", "s3://bucket/../lake", "s3://bucket/lake?versionId=1"],
)
def test_an_address_that_is_none_is_refused(lake: str) -> None:
    with pytest.raises(LakeError, match=re.escape(lake)):
        open_storage(lake)


def test_an_address_with_keys_in_it_is_refused_without_telling_them() -> None:
    with pytest.raises(
        LakeError, match=r"(?s)^bucket/lake is no address .* AWS_\* variables"
    ) as caught:
        open_storage("s3://key:secret@bucket/lake")
    assert "secret" not in str(caught.value)


def test_a_folder_may_be_written_as_an_address(tmp_path: Path) -> None:
    assert open_storage(f"file://{tmp_path}/lake").uri("x") == f"{tmp_path}/lake/x"


def publisher(address: str, scratch: Path, do: str) -> subprocess.Popen[str]:
    """Start another process on the same lake."""
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, address, str(scratch), do],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def s3_of(storage: Storage) -> tuple[Any, str, str]:
    """Return a client, the bucket and the prefix of a lake in S3."""
    import boto3

    bucket, _, prefix = storage.uri("").removeprefix("s3://").rstrip("/").partition("/")
    client = boto3.client(
        "s3", region_name="us-east-1", endpoint_url=os.environ["AWS_ENDPOINT_URL"]
    )
    return client, bucket, prefix


def remove(storage: Storage) -> None:
    """Remove the object, as somebody might by hand."""
    if isinstance(storage, FolderStorage):
        (storage.root / PATH).unlink()
    else:
        client, bucket, prefix = s3_of(storage)
        client.delete_object(Bucket=bucket, Key=f"{prefix}/{PATH}")


def damage(storage: Storage, content: bytes) -> None:
    """Overwrite the object, as no run of ours would."""
    if isinstance(storage, FolderStorage):
        (storage.root / PATH).write_bytes(content)
    else:
        client, bucket, prefix = s3_of(storage)
        client.put_object(Bucket=bucket, Key=f"{prefix}/{PATH}", Body=content)
