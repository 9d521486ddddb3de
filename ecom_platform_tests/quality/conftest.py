"""The places that a lake may be in, as for the tests of the lake."""

from ecom_platform_tests.lake.conftest import address

__all__ = ["address"]
