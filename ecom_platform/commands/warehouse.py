"""`ecom warehouse`: the lake as one DuckDB file, for laptops."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ecom_platform.assets.metrics import METRICS
from ecom_platform.commands.files import whole_file
from ecom_platform.datasets import CLEANED, QUARANTINE
from ecom_platform.engines.duckdb import Engine
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import FolderStorage, open_storage
from ecom_platform.lake.warehouse import build_warehouse
from ecom_platform.marts import load_manifest, load_marts
from ecom_platform.scratch import scratch_folder

if TYPE_CHECKING:
    from pathlib import Path

    from ecom_platform.settings import Settings


def write_warehouse(settings: Settings, file: Path) -> int:
    """Write the warehouse to a file; return the exit code.

    Of a lake in a folder it holds views of the lake's files; of one in S3, their rows.

    Raises:
        LakeError: The lake cannot be read.
        EcomError: The file cannot be written.
    """
    marts = load_marts(load_manifest()).values()
    datasets = (*CLEANED, *QUARANTINE, *(metric.dataset for metric in METRICS), *marts)
    storage = open_storage(settings.lake)
    local = isinstance(storage, FolderStorage)
    with scratch_folder() as scratch:
        engine = Engine(settings, scratch, [storage.root] if local else [])
        lake = Lake(storage, settings.calendar, scratch, "")
        made = build_warehouse(lake, engine, datasets, copied=not local)
        with whole_file(file) as part:
            shutil.copyfile(made, part)
    return 0
