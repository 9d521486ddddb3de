"""The pages of the morning: a private bucket behind CloudFront, for who has logged in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Duration, Stack, Validations
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from deploy.cdk.acknowledgements import acknowledge, acknowledge_wildcard

if TYPE_CHECKING:
    from deploy.cdk.data_stack import DataStack
    from deploy.cdk.options import Config

LOGIN = Path(__file__).parent / "login"


class Dashboards(Construct):
    """Nothing is cached: each request is checked, and a page is as new as the bucket's."""

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, config: Config, data: DataStack
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        identity, bucket = data.identity, data.buckets.dashboards
        origin = origins.S3BucketOrigin.with_origin_access_control(
            # By name: the bucket's own policy lets CloudFront read, and stands in its own stack.
            s3.Bucket.from_bucket_attributes(
                self,
                "Bucket",
                bucket_arn=bucket.bucket_arn,
                bucket_regional_domain_name=bucket.bucket_regional_domain_name,
            ),
            custom_headers={
                "x-login-issuer": f"https://cognito-idp.{stack.region}.amazonaws.com/"
                f"{identity.pool.user_pool_id}",
                "x-login-client": identity.pages.user_pool_client_id,
                "x-login-address": identity.address,
                "x-login-site": f"https://{config.pages.domain}",
            },
        )
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"{name}: the pages of the morning",
            domain_names=[config.pages.domain],
            certificate=acm.Certificate.from_certificate_arn(
                self, "Certificate", config.pages.certificate_arn
            ),
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            price_class=cloudfront.PriceClass.PRICE_CLASS_100,
            default_behavior=cloudfront.BehaviorOptions(
                origin=origin,
                allowed_methods=cloudfront.AllowedMethods.ALLOW_GET_HEAD,
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
                origin_request_policy=self._what_the_login_reads(name),
                response_headers_policy=self._security_headers(name),
                # CloudFront compresses nothing that it may not cache.
                compress=False,
                edge_lambdas=[
                    cloudfront.EdgeLambda(
                        function_version=self._login(name, data.login_role).current_version,
                        event_type=cloudfront.LambdaEdgeEventType.ORIGIN_REQUEST,
                    )
                ],
            ),
        )
        Validations.of(self.distribution).acknowledge(
            Acknowledgment(
                id="@aws-cdk/aws-cloudfront-origins:updateImportedBucketPolicyOac",
                reason="The bucket's policy stands in the stack of the bucket: see storage.py.",
            )
        )
        acknowledge(
            self.distribution,
            {
                "CFR1": "Who may read is decided by login, not by country.",
                "CFR2": "Static pages, given to nobody who has not logged in: a firewall would "
                "cost more than all else here.",
                "CFR3": "CloudFront's own logs want a bucket with ACLs. As nothing is cached, the "
                "bucket's access log has every page that was read.",
            },
        )

    def _what_the_login_reads(self, name: str) -> cloudfront.OriginRequestPolicy:
        return cloudfront.OriginRequestPolicy(
            self,
            "OriginRequest",
            origin_request_policy_name=f"{name}-login",
            comment="What the login reads",
            cookie_behavior=cloudfront.OriginRequestCookieBehavior.allow_list(
                "__Host-session", "__Host-login"
            ),
            query_string_behavior=cloudfront.OriginRequestQueryStringBehavior.allow_list(
                "code", "state"
            ),
        )

    def _security_headers(self, name: str) -> cloudfront.ResponseHeadersPolicy:
        return cloudfront.ResponseHeadersPolicy(
            self,
            "ResponseHeaders",
            response_headers_policy_name=f"{name}-pages",
            comment="Security headers; the pages carry a content security policy of their own",
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=Duration.days(365),
                    include_subdomains=True,
                    override=True,
                ),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption.DENY, override=True
                ),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True
                ),
            ),
            custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(
                custom_headers=[
                    cloudfront.ResponseCustomHeader(
                        header="cache-control", value="private, no-cache", override=False
                    )
                ]
            ),
        )

    def _login(self, name: str, role: iam.IRole) -> cloudfront.experimental.EdgeFunction:
        return cloudfront.experimental.EdgeFunction(
            self,
            "Login",
            stack_id=f"{name}-login",
            function_name=f"{name}-login",
            description="Asks who opens a page to log in",
            runtime=lambda_.Runtime.NODEJS_24_X,
            handler="index.handler",
            code=lambda_.Code.from_asset(str(LOGIN)),
            role=role,
            memory_size=256,
            timeout=Duration.seconds(15),
        )


def login_role(scope: Construct, construct_id: str, *, name: str) -> iam.Role:
    """Make the role of the login at the edge: it writes its log, and nothing else.

    It stands in the first stack, because the function stands in a stack of its own where the
    region is not us-east-1, and that one is made before the one that has the rest.
    """
    stack = Stack.of(scope)
    role = iam.Role(
        scope,
        construct_id,
        role_name=f"{name}-login",
        description="The login at the edge: writes its log",
        assumed_by=iam.CompositePrincipal(
            iam.ServicePrincipal("lambda.amazonaws.com"),
            iam.ServicePrincipal("edgelambda.amazonaws.com"),
        ),
    )
    logs = (
        f"arn:{stack.partition}:logs:*:{stack.account}:"
        f"log-group:/aws/lambda/us-east-1.{name}-login:*"
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[logs],
        )
    )
    acknowledge_wildcard(
        role, [logs], "It runs, and logs, in whatever region its visitor is near to."
    )
    return role
