"""What a template says of services and load balancers reaches the engines, whole."""

import json
import urllib.error

import pytest
from botocore.exceptions import ClientError
from ecs_cloud import IMAGE, Cloud, free_port, wait_until

PARAMETERS = {name: {"Type": "String"} for name in ("VpcId", "Subnets", "Port", "Count", "Version")}
GROUP = {
    "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
    "Properties": {
        "VpcId": {"Ref": "VpcId"},
        "Protocol": "HTTP",
        "Port": 8080,
        "TargetType": "ip",
        "HealthCheckPath": "/health",
        "HealthCheckIntervalSeconds": 5,
        "HealthCheckTimeoutSeconds": 2,
        "Matcher": {"HttpCode": "200-299"},
        "TargetGroupAttributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "7"}],
    },
}
CONTAINER = {
    "Name": "server",
    "Image": IMAGE,
    "PortMappings": [{"ContainerPort": 8080}],
    "Environment": [{"Name": "VERSION", "Value": {"Ref": "Version"}}],
    "LogConfiguration": {
        "LogDriver": "awslogs",
        "Options": {"awslogs-group": "/ecs/models", "awslogs-stream-prefix": "stack", "awslogs-region": "us-east-1"},
    },
}
RESOURCES = {
    "Balancer": {
        "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "Properties": {"Name": "stacked", "Subnets": {"Fn::Split": [",", {"Ref": "Subnets"}]}},
    },
    "Group": GROUP,
    "Canary": GROUP,
    "Listener": {
        "Type": "AWS::ElasticLoadBalancingV2::Listener",
        "Properties": {
            "LoadBalancerArn": {"Ref": "Balancer"},
            "Protocol": "HTTP",
            "Port": {"Ref": "Port"},
            "DefaultActions": [
                {
                    "Type": "forward",
                    "ForwardConfig": {
                        "TargetGroups": [
                            {"TargetGroupArn": {"Ref": "Group"}, "Weight": 100},
                            {"TargetGroupArn": {"Ref": "Canary"}, "Weight": 0},
                        ]
                    },
                }
            ],
        },
    },
    "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "stacked"}},
    "Definition": {
        "Type": "AWS::ECS::TaskDefinition",
        "Properties": {
            "Family": "stacked",
            "Cpu": "256",
            "Memory": "512",
            "NetworkMode": "awsvpc",
            "RequiresCompatibilities": ["FARGATE"],
            "TaskRoleArn": "arn:aws:iam::123456789012:role/models",
            "ContainerDefinitions": [CONTAINER],
        },
    },
    "Service": {
        "Type": "AWS::ECS::Service",
        "DependsOn": "Listener",
        "Properties": {
            "ServiceName": "stacked",
            "Cluster": {"Ref": "Cluster"},
            "TaskDefinition": {"Ref": "Definition"},
            "DesiredCount": {"Ref": "Count"},
            "LaunchType": "FARGATE",
            "HealthCheckGracePeriodSeconds": 30,
            "NetworkConfiguration": {
                "AwsvpcConfiguration": {
                    "Subnets": {"Fn::Split": [",", {"Ref": "Subnets"}]},
                    "AssignPublicIp": "ENABLED",
                }
            },
            "LoadBalancers": [{"TargetGroupArn": {"Ref": "Group"}, "ContainerName": "server", "ContainerPort": 8080}],
            "DeploymentConfiguration": {
                "MinimumHealthyPercent": 50,
                "MaximumPercent": 200,
                "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
            },
        },
    },
}
OUTPUTS = {
    "Url": {"Value": {"Fn::Sub": "http://${Balancer.DNSName}:${Port}"}},
    "GroupName": {"Value": {"Fn::GetAtt": ["Group", "TargetGroupFullName"]}},
    "ServiceName": {"Value": {"Fn::GetAtt": ["Service", "Name"]}},
    "Group": {"Value": {"Ref": "Group"}},
}
TEMPLATE = json.dumps({"Parameters": PARAMETERS, "Resources": RESOURCES, "Outputs": OUTPUTS})


def parameters(cloud: Cloud, port: int, count: int, version: str) -> list[dict]:
    values = {
        "VpcId": cloud.vpc,
        "Subnets": ",".join(cloud.subnets),
        "Port": str(port),
        "Count": str(count),
        "Version": version,
    }
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def describe(cloud: Cloud) -> dict:
    return cloud.ecs.describe_services(cluster="stacked", services=["stacked"])["services"][0]


def completed(cloud: Cloud) -> bool:
    deployments = describe(cloud)["deployments"]
    return [each["rolloutState"] for each in deployments] == ["COMPLETED"]


def test_a_stack_serves_changes_only_what_its_template_changes_and_leaves_nothing(cloud: Cloud):
    stacks, port = cloud.client("cloudformation"), free_port()
    stacks.create_stack(StackName="s", TemplateBody=TEMPLATE, Parameters=parameters(cloud, port, 1, "1"))
    outputs = stacks.describe_stacks(StackName="s")["Stacks"][0]["Outputs"]
    told = {output["OutputKey"]: output["OutputValue"] for output in outputs}
    assert told["Url"] == f"http://localhost:{port}"
    assert told["GroupName"].startswith("targetgroup/")
    assert told["ServiceName"] == "stacked"
    service = describe(cloud)
    assert service["deploymentConfiguration"]["minimumHealthyPercent"] == 50
    assert service["deploymentConfiguration"]["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert service["healthCheckGracePeriodSeconds"] == 30
    group = cloud.elbv2.describe_target_groups(TargetGroupArns=[told["Group"]])["TargetGroups"][0]
    assert (group["HealthCheckPath"], group["Matcher"]) == ("/health", {"HttpCode": "200-299"})
    attributes = cloud.elbv2.describe_target_group_attributes(TargetGroupArn=told["Group"])["Attributes"]
    assert {"Key": "deregistration_delay.timeout_seconds", "Value": "7"} in attributes
    wait_until(lambda: completed(cloud), "the service is up")
    assert cloud.get(port=port)["version"] == "1"

    released = cloud.register(VERSION="released")
    cloud.ecs.update_service(cluster="stacked", service="stacked", taskDefinition=released)
    wait_until(lambda: completed(cloud), "the release is done")
    stacks.update_stack(StackName="s", TemplateBody=TEMPLATE, Parameters=parameters(cloud, port, 2, "1"))
    wait_until(lambda: describe(cloud)["runningCount"] == 2, "a second task runs")
    assert describe(cloud)["taskDefinition"] == released
    stacks.update_stack(StackName="s", TemplateBody=TEMPLATE, Parameters=parameters(cloud, port, 1, "2"))
    wait_until(lambda: cloud.get(port=port)["version"] == "2" and completed(cloud), "the template's version is up")

    stacks.delete_stack(StackName="s")
    with pytest.raises((urllib.error.URLError, OSError)):
        cloud.get(port=port)
    assert describe(cloud)["status"] == "INACTIVE"
    names = {each["LoadBalancerName"] for each in cloud.elbv2.describe_load_balancers()["LoadBalancers"]}
    assert names == {"front"}
    assert len(cloud.elbv2.describe_target_groups()["TargetGroups"]) == 1


def test_a_listener_on_a_taken_port_is_refused_with_the_reason(cloud: Cloud):
    action = {"Type": "forward", "TargetGroupArn": cloud.group}
    request = {"LoadBalancerArn": cloud.balancer["LoadBalancerArn"], "Protocol": "HTTP", "DefaultActions": [action]}
    with pytest.raises(ClientError, match="DuplicateListener"):
        cloud.elbv2.create_listener(Port=cloud.port, **request)
    other = cloud.elbv2.create_load_balancer(Name="other", Subnets=cloud.subnets, SecurityGroups=[])["LoadBalancers"][0]
    with pytest.raises(ClientError, match=f"port {cloud.port} of 127.0.0.1 cannot be opened"):
        cloud.elbv2.create_listener(**(request | {"LoadBalancerArn": other["LoadBalancerArn"]}), Port=cloud.port)
    again = cloud.elbv2.create_load_balancer(Name="other", Subnets=cloud.subnets, SecurityGroups=[])["LoadBalancers"][0]
    assert again["LoadBalancerArn"] == other["LoadBalancerArn"]
    with pytest.raises(ClientError, match="DuplicateLoadBalancerName"):
        cloud.elbv2.create_load_balancer(Name="other", Subnets=cloud.subnets[:1], SecurityGroups=[])


def test_weights_and_rules_change_at_once(cloud: Cloud):
    other = cloud.create_group("other")
    cloud.create(cloud.register(VERSION="1"))
    balancers = [{"targetGroupArn": other, "containerName": "server", "containerPort": 8080}]
    shares = [{"TargetGroupArn": cloud.group, "Weight": 75}, {"TargetGroupArn": other, "Weight": 25}]
    forward = {"Type": "forward", "ForwardConfig": {"TargetGroups": shares}}
    cloud.elbv2.modify_listener(ListenerArn=cloud.listener, DefaultActions=[forward])
    cloud.create(cloud.register(VERSION="2"), serviceName="canary", loadBalancers=balancers)
    cloud.settle()
    healthy = [{"State": "healthy"}]
    wait_until(
        lambda: (
            [
                each["TargetHealth"]
                for each in cloud.elbv2.describe_target_health(TargetGroupArn=other)["TargetHealthDescriptions"]
            ]
            == healthy
        ),
        "the canary is healthy",
    )
    versions = [cloud.get()["version"] for _ in range(40)]
    assert (versions.count("1"), versions.count("2")) == (30, 10)
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "MessageBody": "soon"}}
    condition = {"Field": "path-pattern", "Values": ["/off"]}
    rule = cloud.elbv2.create_rule(ListenerArn=cloud.listener, Priority=1, Conditions=[condition], Actions=[fixed])[
        "Rules"
    ][0]["RuleArn"]
    with pytest.raises(urllib.error.HTTPError, match="503"):
        cloud.get("/off")
    cloud.elbv2.delete_rule(RuleArn=rule)
    assert cloud.get("/off")["version"] in {"1", "2"}
