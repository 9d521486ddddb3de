"""A simulated shop in PostgreSQL; see `load_demo_shop`. This file only names what to import.

`season` and `demand` say how much is ordered and by whom, `life` what becomes of it, `dirt`
what is wrong with it; `rows` are its rows, `load` its tables.
"""

from ecom_platform.sources.demo_shop.demand import DemoShop
from ecom_platform.sources.demo_shop.load import load_demo_shop

__all__ = ["DemoShop", "load_demo_shop"]
