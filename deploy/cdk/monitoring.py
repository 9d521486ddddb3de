"""Who is told when the platform itself cannot tell: the topic, the alarms, the budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from deploy.cdk.database import MAX_CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_ecs as ecs
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_rds as rds

    from deploy.cdk.options import Config

RUNBOOK = "docs/runbooks/aws-alarms.md"
GB = 1024**3
MISSING_IS_WELL = cloudwatch.TreatMissingData.NOT_BREACHING
MISSING_IS_BAD = cloudwatch.TreatMissingData.BREACHING


@dataclass(frozen=True)
class Limit:
    """When a metric is an alarm.

    Attributes:
        metric: What is watched.
        threshold: From where on it is bad.
        periods: For how many of its periods, in a row.
        below: Whether bad is below the threshold, not above it.
        missing: What its absence means.
    """

    metric: cloudwatch.IMetric
    threshold: float
    periods: int
    below: bool = False
    missing: cloudwatch.TreatMissingData = MISSING_IS_WELL


class Monitoring(Construct):
    """The topic that alarms, the platform's own alerts and the budget go to."""

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, config: Config, key: kms.IKey
    ) -> None:
        super().__init__(scope, construct_id)
        self._name = name
        self.topic = sns.Topic(
            self, "Alerts", topic_name=f"{name}-alerts", master_key=key, enforce_ssl=True
        )
        for email in config.alerts.emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))
        # With any statement of our own, the default one, that lets the account in, is gone.
        for service in ("cloudwatch", "budgets"):
            self.topic.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                    actions=["sns:Publish"],
                    resources=[self.topic.topic_arn],
                    conditions={"StringEquals": {"aws:SourceAccount": self.topic.env.account}},
                )
            )
        self._watch_spending(config.budget_usd)

    def watch_platform(self, namespace: str) -> None:
        """Make alarms of what the platform says of itself, or no longer says."""

        def said(name: str, statistic: str, minutes: int = 5) -> cloudwatch.Metric:
            return cloudwatch.Metric(
                namespace=namespace,
                metric_name=name,
                statistic=statistic,
                period=Duration.minutes(minutes),
            )

        self._alarm(
            "heartbeat",
            "No sign of life for 15 minutes: sensors and schedules are not evaluated, or nothing "
            "can be told. Look whether daemon and code servers run.",
            Limit(said("Heartbeat", "SampleCount"), 1, 3, below=True, missing=MISSING_IS_BAD),
        )
        self._alarm(
            "run-failures",
            "Runs have failed. Open the failed runs in Dagster; the platform's own alert names "
            "the cause.",
            Limit(said("RunFailures", "Sum"), 1, 1),
        )
        self._alarm(
            "queue",
            "A run has been waiting for an hour. Look for runs that hang, or a backfill that "
            "takes all places.",
            Limit(said("OldestQueuedRunMinutes", "Maximum"), 60, 2),
        )

    def watch_services(self, services: Mapping[str, ecs.FargateService]) -> None:
        """Make an alarm of each service that has fewer tasks than it should."""
        for task, service in services.items():
            counts = {
                key: cloudwatch.Metric(
                    namespace="ECS/ContainerInsights",
                    metric_name=metric,
                    dimensions_map={
                        "ClusterName": service.cluster.cluster_name,
                        "ServiceName": service.service_name,
                    },
                    statistic="Average",
                    period=Duration.minutes(1),
                )
                for key, metric in (
                    ("desired", "DesiredTaskCount"),
                    ("running", "RunningTaskCount"),
                )
            }
            self._alarm(
                f"tasks-{task}",
                f"Fewer tasks of {task} run than should, for ten minutes. Read why the last ones "
                "stopped in the events of the service, and their log.",
                Limit(
                    cloudwatch.MathExpression(
                        expression="desired - running",
                        using_metrics=counts,
                        label="Missing tasks",
                        period=Duration.minutes(1),
                    ),
                    1,
                    10,
                    missing=MISSING_IS_BAD,
                ),
            )

    def watch_database(self, database: rds.DatabaseInstance) -> None:
        """Make alarms of what Dagster's database runs out of."""
        self._alarm(
            "database-storage",
            "Less than 5 GB of storage are left to Dagster's database. It grows by itself up to "
            "max_storage_gb: raise that, or keep fewer events.",
            Limit(database.metric_free_storage_space(statistic="Minimum"), 5 * GB, 3, below=True),
        )
        self._alarm(
            "database-cpu",
            "The processor of Dagster's database has been busy for half an hour. See Performance "
            "Insights for the statements, or take a larger instance_class.",
            Limit(database.metric_cpu_utilization(), 80, 6),
        )
        connections = database.metric_database_connections(statistic="Maximum")
        self._alarm(
            "database-connections",
            f"More than 80 % of the {MAX_CONNECTIONS} connections of Dagster's database are "
            "taken. Look for too many runs at once.",
            Limit(connections, MAX_CONNECTIONS * 0.8, 3),
        )

    def watch_load_balancer(self, task: str, balancer: elb.ApplicationLoadBalancer) -> None:
        """Make an alarm of answers that are errors, whether the web server's or its own."""
        errors = {
            "own": balancer.metrics.http_code_elb(
                elb.HttpCodeElb.ELB_5XX_COUNT, statistic="Sum", period=Duration.minutes(5)
            ),
            "target": balancer.metrics.http_code_target(
                elb.HttpCodeTarget.TARGET_5XX_COUNT,
                statistic="Sum",
                period=Duration.minutes(5),
            ),
        }
        self._alarm(
            f"errors-{task}",
            f"The UI of {task} answers with errors. Read the log of {task}; if it restarts, its "
            "memory may be too small.",
            Limit(
                cloudwatch.MathExpression(
                    expression="FILL(own, 0) + FILL(target, 0)",
                    using_metrics=errors,
                    label="Errors",
                    period=Duration.minutes(5),
                ),
                10,
                2,
            ),
        )

    def _alarm(self, what: str, description: str, limit: Limit) -> None:
        comparison = cloudwatch.ComparisonOperator
        alarm = cloudwatch.Alarm(
            self,
            "".join(word.capitalize() for word in what.split("-")),
            alarm_name=f"{self._name}-{what}",
            alarm_description=f"{description} Runbook: {RUNBOOK}#{what}",
            metric=limit.metric,
            threshold=limit.threshold,
            evaluation_periods=limit.periods,
            comparison_operator=comparison.LESS_THAN_THRESHOLD
            if limit.below
            else comparison.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=limit.missing,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))

    def _watch_spending(self, usd: int) -> None:
        to_topic = budgets.CfnBudget.SubscriberProperty(
            subscription_type="SNS", address=self.topic.topic_arn
        )
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=self._name,
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=usd, unit="USD"),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=share,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[to_topic],
                )
                for kind, share in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        )
