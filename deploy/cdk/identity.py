"""Who may log in, and where: users, the group of engineers, and a client for each place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy, SecretValue, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from deploy.cdk.acknowledgements import acknowledge
from deploy.cdk.log_groups import log_group

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from deploy.cdk.options import Config

ENGINEERS = "engineers"
TRIGGER = Path(__file__).parent / "groups"


class Identity(Construct):
    """A user pool, kept when the stack is deleted. Nobody signs up by themselves."""

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, config: Config, key: kms.IKey
    ) -> None:
        super().__init__(scope, construct_id)
        self._config = config
        parameter = f"/{name}/engineers-client"
        self.pool = cognito.UserPool(
            self,
            "Users",
            user_pool_name=name,
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            mfa=cognito.Mfa.REQUIRED,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            password_policy=cognito.PasswordPolicy(
                min_length=14,
                require_digits=True,
                require_lowercase=True,
                require_symbols=True,
                require_uppercase=True,
                temp_password_validity=Duration.days(3),
            ),
            feature_plan=cognito.FeaturePlan.ESSENTIALS,
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
            lambda_triggers=cognito.UserPoolTriggers(
                pre_token_generation=self._trigger(parameter, key)
            ),
        )
        acknowledge(
            self.pool,
            {
                "COG3": "Threat protection needs the Plus plan, paid by user. Here a second factor "
                "is required of all, and nobody signs up by themselves.",
                "COG8": "Of the Plus plan nothing else is wanted: see COG3.",
            },
        )
        self.domain = self.pool.add_domain(
            "Login",
            cognito_domain=cognito.CognitoDomainOptions(domain_prefix=config.login.domain_prefix),
        )
        cognito.CfnUserPoolGroup(
            self,
            "Engineers",
            user_pool_id=self.pool.user_pool_id,
            group_name=ENGINEERS,
            description="May open the UI that starts and stops runs",
        )
        self._provider = self._company_provider()
        ui, pages = config.ui, config.pages
        self.engineers = self._client("EngineersUi", f"https://{ui.domain}/oauth2/idpresponse")
        self.readers = self._client(
            "ReadOnlyUi", f"https://{ui.read_only_domain}/oauth2/idpresponse"
        )
        # The code at the edge could not keep a secret; PKCE does without one.
        self.pages = self._client("Pages", f"https://{pages.domain}/callback", secret=False)
        ssm.StringParameter(
            self,
            "EngineersClient",
            parameter_name=parameter,
            description="The client of which the user pool wants its users to be engineers",
            string_value=self.engineers.user_pool_client_id,
        )

    @property
    def address(self) -> str:
        """Where people log in."""
        return f"https://{self.domain.domain_name}.auth.{Stack.of(self).region}.amazoncognito.com"

    def _client(
        self, construct_id: str, callback: str, *, secret: bool = True
    ) -> cognito.UserPoolClient:
        own = cognito.UserPoolClientIdentityProvider.COGNITO
        return self.pool.add_client(
            construct_id,
            generate_secret=secret,
            auth_flows=cognito.AuthFlow(),
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID],
                callback_urls=[callback],
            ),
            id_token_validity=Duration.hours(self._config.login.session_hours),
            prevent_user_existence_errors=True,
            supported_identity_providers=[
                cognito.UserPoolClientIdentityProvider.custom(self._provider.provider_name)
                if self._provider
                else own
            ],
        )

    def _company_provider(self) -> cognito.UserPoolIdentityProviderOidc | None:
        oidc = self._config.login.oidc
        if oidc is None:
            return None
        return cognito.UserPoolIdentityProviderOidc(
            self,
            "Company",
            user_pool=self.pool,
            name="Company",
            issuer_url=oidc.issuer,
            client_id=oidc.client_id,
            # CloudFormation reads it when it deploys; it is in no template.
            client_secret=SecretValue.secrets_manager(oidc.client_secret).unsafe_unwrap(),
            scopes=["openid", "email"],
            attribute_mapping=cognito.AttributeMapping(
                email=cognito.ProviderAttribute.other("email")
            ),
        )

    def _trigger(self, parameter: str, key: kms.IKey) -> lambda_.Function:
        stack = Stack.of(self)
        role = iam.Role(
            self,
            "EngineersOnlyRole",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Asks which client is the engineers'",
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["ssm:GetParameter"],
                resources=[
                    stack.format_arn(
                        service="ssm", resource="parameter", resource_name=parameter[1:]
                    )
                ],
            )
        )
        logs = log_group(self, "EngineersOnlyLogs", days=self._config.log_days, key=key)
        logs.grant_write(role)
        return lambda_.Function(
            self,
            "EngineersOnly",
            description="Gives tokens for the engineers' UI to engineers only",
            runtime=lambda_.Runtime.PYTHON_3_14,
            handler="engineers_only.handler",
            code=lambda_.Code.from_asset(str(TRIGGER), exclude=["__pycache__"]),
            role=role,
            log_group=logs,
            timeout=Duration.seconds(5),
            environment={"ENGINEERS_CLIENT": parameter, "ENGINEERS_GROUP": ENGINEERS},
        )
