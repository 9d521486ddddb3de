"""The prices that costs are computed with.

Of us-east-1, in USD, without taxes. Written down by hand on 2026-11-23, from what was known of the
public price list, and not compared with it: check them at https://aws.amazon.com/pricing/ before
you rely on a sum. They change, and differ between regions.
"""

from __future__ import annotations

from types import MappingProxyType

REGION, AS_OF = "us-east-1", "2026-11-23"
#: Hours that AWS reckons a month to have.
HOURS = 730

FARGATE_CPU_HOUR = 0.04048
FARGATE_GB_HOUR = 0.004445
#: Of disk beyond the first 20 GB.
FARGATE_DISK_GB_HOUR = 0.000111
#: PostgreSQL in one zone; a standby doubles it.
RDS_HOUR = MappingProxyType(
    {
        "db.t4g.micro": 0.016,
        "db.t4g.small": 0.032,
        "db.t4g.medium": 0.065,
        "db.t4g.large": 0.129,
        "db.m7g.large": 0.168,
        "db.m7g.xlarge": 0.337,
    }
)
RDS_GB_MONTH = 0.115
NAT_HOUR = 0.045
NAT_GB = 0.045
LOAD_BALANCER_HOUR = 0.0225
LOAD_BALANCER_UNIT_HOUR = 0.008
ADDRESS_HOUR = 0.005
ENDPOINT_HOUR = 0.01
KEY_MONTH = 1.0
SECRET_MONTH = 0.40
ALARM_METRIC_MONTH = 0.10
METRIC_MONTH = 0.30
LOG_GB = 0.50
S3_GB_MONTH = 0.023
S3_THOUSAND_WRITES = 0.005
IMAGE_GB_MONTH = 0.10
ATHENA_TB = 5.0
