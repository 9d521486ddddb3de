"""What a run imports, loaded once, before processes fork; nothing here may start a thread."""

from __future__ import annotations

import importlib
import pkgutil
import sys

PACKAGES = (
    "assets", "automation", "cli", "commands", "dashboard", "engines", "instance", "lake",
    "sources",
)  # fmt: skip
#: What is imported only where it is used.
LIBRARIES = (
    "adbc_driver_postgresql",
    "dagster._daemon",
    "duckdb",
    "obstore.store",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "pymysql",
)

for name in LIBRARIES:
    importlib.import_module(name)
for name in PACKAGES:
    package = importlib.import_module(f"ecom_platform.{name}")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if module.name != "ecom_platform.instance.ecs":
            importlib.import_module(module.name)
# It loads much else, and reads the environment: each process is to do that again for itself.
importlib.import_module("ecom_platform.definitions")
del sys.modules["ecom_platform.definitions"]
