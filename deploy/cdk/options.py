"""What differs between environments: the keys of their files, and what each may be."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

if TYPE_CHECKING:
    from typing import Self

Host = Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]
Days = Annotated[int, Field(ge=1, le=3650)]
LogDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731]
#: The memory, in MB, that Fargate offers for each number of CPU units.
FARGATE_MEMORY = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Egress(_Table):
    """Where the code server and runs may connect to, besides HTTPS and Dagster's database."""

    cidr: IPv4Network = Field(description="The addresses, such as `10.0.0.0/16`.")
    port: int = Field(ge=1, le=65535, description="The TCP port.")
    reason: str = Field(
        pattern=r"^[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]{1,255}$",
        description="What is there; it becomes the text of the rule, in which AWS takes letters "
        "of English, digits and `. _ - : / ( ) # , @ [ ] + = & ; { } ! $ *`.",
    )


class Network(_Table):
    """The VPC."""

    cidr: IPv4Network = Field(
        description="Its addresses, such as `10.20.0.0/16`; not those of a network it is peered to."
    )
    nat_gateways: int = Field(
        ge=1,
        le=2,
        description="1, or 2: one for each availability zone, so that the loss of a zone leaves "
        "the other its way out.",
    )
    egress: tuple[Egress, ...] = Field(
        default=(),
        description="Tables `cidr`, `port`, `reason`: where the code server and runs may connect "
        "to, besides HTTPS. The shop's database belongs here, and a mail server.",
    )


class Database(_Table):
    """Dagster's own database."""

    instance_class: str = Field(
        pattern=r"^[a-z0-9]+\.[a-z0-9]+$", description="Of RDS, without `db.`: `t4g.medium`."
    )
    storage_gb: int = Field(ge=20, description="GB of storage at first.")
    max_storage_gb: int = Field(ge=20, description="GB up to which the storage grows by itself.")
    multi_az: bool = Field(description="Whether a standby in another zone takes over.")
    backup_days: int = Field(ge=1, le=35, description="Days to which it can be set back.")


class Storage(_Table):
    """The buckets."""

    lake_versions_days: Days = Field(
        description="Days for which replaced and deleted objects of the lake and of the pages are "
        "kept: how far back a restore can go."
    )
    compute_logs_days: Days = Field(description="Days for which the output of runs is kept.")
    access_logs_days: Days = Field(description="Days for which access logs are kept.")


class Size(_Table):
    """The size of a task."""

    cpu: int = Field(description="CPU units: 1024 are one vCPU.")
    memory: int = Field(description="MB, one of those that Fargate offers for these CPU units.")

    @model_validator(mode="after")
    def _is_offered(self) -> Self:
        """Refuse what Fargate would refuse after ten minutes of deploying."""
        offered = FARGATE_MEMORY.get(self.cpu)
        if offered is None:
            raise ValueError(f"cpu: Fargate offers {', '.join(map(str, FARGATE_MEMORY))}")
        if self.memory not in offered:
            raise ValueError(f"memory: with cpu {self.cpu} Fargate offers {[*offered]}")
        return self


class Tasks(_Table):
    """The tasks, by role; each a table `cpu`, `memory`."""

    webserver: Size = Field(description="The web server of the engineers.")
    read_only: Size = Field(description="The web server of all others.")
    daemon: Size = Field(description="The daemon.")
    code_server: Size = Field(description="The code server; there are two of it.")
    run: Size = Field(description="A run whose job has no tags `ecs/cpu` and `ecs/memory`.")
    run_disk_gb: int = Field(ge=21, le=200, description="GB of scratch disk of a run.")
    bake_minutes: int = Field(
        ge=0,
        le=1440,
        description="Minutes for which the former code servers are kept after a deployment, to "
        "go back to at once.",
    )


class Ui(_Table):
    """Dagster's UI."""

    domain: Host = Field(description="The name under which engineers open the UI.")
    read_only_domain: Host = Field(description="The name under which all others open it.")
    certificate_arn: str = Field(
        pattern=r"^arn:aws:acm:",
        description="The ACM certificate for both names, in `region`.",
    )


class Pages(_Table):
    """The pages of the morning."""

    domain: Host = Field(description="The name under which people open the pages.")
    certificate_arn: str = Field(
        pattern=r"^arn:aws:acm:us-east-1:",
        description="The ACM certificate for it, in us-east-1, as CloudFront wants.",
    )


class Oidc(_Table):
    """The company's own identity provider."""

    issuer: str = Field(pattern=r"^https://", description="Its address, as in its tokens' `iss`.")
    client_id: str = Field(description="How it knows the user pool.")
    client_secret: str = Field(
        description="The name of a secret in Secrets Manager that holds the client's secret."
    )


class Login(_Table):
    """Who may log in."""

    domain_prefix: str = Field(
        pattern=r"^[a-z0-9-]{1,63}$",
        description="Of the login page, `<prefix>.auth.<region>.amazoncognito.com`; no other "
        "customer of AWS may have it, and no `aws`, `amazon` or `cognito` may be in it.",
    )
    session_hours: int = Field(ge=1, le=24, description="Hours until people log in again.")
    oidc: Oidc | None = Field(
        default=None,
        description="Optional tables `issuer`, `client_id`, `client_secret`: the company's "
        "OpenID Connect provider. Without it, people have passwords and one-time codes.",
    )

    @field_validator("domain_prefix")
    @classmethod
    def _is_allowed(cls, value: str) -> str:
        if re.search("aws|amazon|cognito", value):
            raise ValueError("AWS allows no aws, amazon or cognito in it")
        return value


class Source(_Table):
    """The shop's data."""

    secret: str = Field(
        description="The name of the secret that holds `ECOM_SOURCE`: the whole address."
    )
    bucket: str | None = Field(
        default=None,
        description="The bucket that runs and the code server may read, if the source is files.",
    )


class Alerts(_Table):
    """Who is told."""

    emails: tuple[str, ...] = Field(
        description="Addresses to which alarms and the platform's own alerts go. Each gets a "
        "message to confirm."
    )


class Config(_Table):
    """An environment."""

    region: str = Field(pattern=r"^[a-z]{2}-[a-z]+-\d$", description="The region of AWS.")
    log_days: LogDays = Field(description="Days for which CloudWatch keeps logs.")
    budget_usd: int = Field(
        ge=1,
        description="USD a month: at 80 % of it, and when it is likely to be exceeded, the "
        "addresses of `alerts` are told. Of the whole account.",
    )
    athena_scan_gb: int = Field(ge=1, description="GB after which Athena ends a query.")
    github_repository: str = Field(
        pattern=r"^[\w.-]+/[\w.-]+$",
        description="The repository on GitHub, `owner/name`, whose workflows may deploy: their "
        "jobs in GitHub's environment of the same name as this file.",
    )
    network: Network = Field(description="The VPC.")
    database: Database = Field(description="Dagster's own database.")
    storage: Storage = Field(description="The buckets.")
    tasks: Tasks = Field(description="The sizes of tasks.")
    ui: Ui = Field(description="Dagster's UI.")
    pages: Pages = Field(description="The pages of the morning.")
    login: Login = Field(description="Who may log in.")
    source: Source = Field(description="The shop's data.")
    alerts: Alerts = Field(description="Who is told.")
    settings: dict[str, str] = Field(
        default_factory=dict,
        description="Settings of the platform for the code server and runs, as texts: "
        '`ECOM_TIMEZONE = "Europe/Berlin"`. What the stack sets itself is refused.',
    )
    secrets: dict[str, str] = Field(
        default_factory=dict,
        description="Settings that are secrets, with the name of their secret in Secrets "
        "Manager: `ECOM_ALERT_SLACK_WEBHOOK`, `ECOM_ALERT_EMAIL_SMTP`.",
    )
