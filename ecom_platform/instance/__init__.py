"""What `dagster.yaml` names: where Dagster keeps what it records, and what starts its runs."""

CLUSTER, TASK_DEFINITION = "ECOM_ECS_CLUSTER", "ECOM_ECS_TASK_DEFINITION"
SUBNETS, SECURITY_GROUPS = "ECOM_ECS_SUBNETS", "ECOM_ECS_SECURITY_GROUPS"

#: What a deployment on AWS sets besides the settings: variable -> meaning.
DEPLOYMENT_VARIABLES = {
    "DAGSTER_POSTGRES_SECRET": "The ARN of the secret with the address and password of Dagster's "
    "own database, as RDS writes it.",
    "ECOM_COMPUTE_LOGS_BUCKET": "The bucket for the output of runs.",
    "ECOM_CODE_SERVER_HOST": "Where the web server and the daemon find the code server.",
    CLUSTER: "The ECS cluster in which runs are started.",
    TASK_DEFINITION: "The family of the task definition of runs, without a revision; its container "
    "is called `run`.",
    SUBNETS: "Ids of the subnets of runs, comma-separated.",
    SECURITY_GROUPS: "Ids of the security groups of runs, comma-separated.",
}
