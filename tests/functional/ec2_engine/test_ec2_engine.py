"""Instances really run their user data, know themselves, and walk through EC2's states with EC2's reasons."""

import base64
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from botocore.exceptions import ClientError
from ec2_cloud import Cloud, watch_states

ASK = (
    'get() { curl -s -H "X-aws-ec2-metadata-token: $(curl -s -X PUT $AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/api/token'
    ' -H "X-aws-ec2-metadata-token-ttl-seconds: 60")" $AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/meta-data/$1; }\n'
)
TRAINING = f"""#!/bin/bash
{ASK}
export AWS_DEFAULT_REGION=$(get placement/region)
echo "I am $(get instance-id) tagged $(get tags/instance/run)"
python3 -c "import boto3, mxnet; print(boto3.client('sts').get_caller_identity()['Arn'])"
env | grep -c canary-of-the-parent
(trap 'echo saving; sleep 0.3; echo saved; exit' TERM; while :; do sleep 0.05; done) &
sleep 0.3
sudo -n /sbin/shutdown -h now
sleep 600
"""


def test_an_instance_runs_its_user_data_and_ends_itself(cloud: Cloud):
    cloud.profile("trainer")
    instance = cloud.run(
        TRAINING,
        IamInstanceProfile={"Name": "trainer"},
        InstanceInitiatedShutdownBehavior="terminate",
        MetadataOptions={"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "run", "Value": "r-1"}]}],
    )
    assert watch_states(cloud, instance, "terminated") == ["pending", "running", "shutting-down", "terminated"]
    console = cloud.console(instance).splitlines()
    assert f"I am {instance} tagged r-1" in console
    assert any(f":assumed-role/trainer/{instance}" in line for line in console)
    assert "0" in console
    assert console[-2:] == ["saving", "saved"]
    ended = cloud.describe(instance)
    assert ended["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    assert ended["StateTransitionReason"] == ""


def test_a_stopped_instance_keeps_its_disk_and_boots_only_once(cloud: Cloud):
    instance = cloud.run("#!/bin/sh\necho first boot; echo kept > $HOME/file; poweroff\n")
    stopped = cloud.wait_state(instance, "stopped")
    assert stopped["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    starting = cloud.ec2.start_instances(InstanceIds=[instance])["StartingInstances"][0]
    assert (starting["PreviousState"]["Name"], starting["CurrentState"]["Name"]) == ("stopped", "pending")
    cloud.wait_state(instance, "running")
    stopping = cloud.ec2.stop_instances(InstanceIds=[instance])["StoppingInstances"][0]
    assert stopping["CurrentState"]["Name"] == "stopping"
    stopped = cloud.wait_state(instance, "stopped")
    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert stopped["StateTransitionReason"].startswith("User initiated (")
    assert cloud.console(instance).count("first boot") == 1
    cloud.ec2.terminate_instances(InstanceIds=[instance])
    assert watch_states(cloud, instance, "terminated")[-1] == "terminated"
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        cloud.ec2.start_instances(InstanceIds=[instance])


def test_an_instance_that_ignores_sigterm_is_killed_after_its_grace(cloud: Cloud):
    instance = cloud.run("#!/bin/bash\ntrap '' TERM\necho stubborn\nwhile :; do sleep 0.1; done\n")
    cloud.wait_console(instance, "stubborn")
    gone = cloud.ec2.terminate_instances(InstanceIds=[instance])["TerminatingInstances"][0]
    assert (gone["PreviousState"]["Name"], gone["CurrentState"]["Name"]) == ("running", "shutting-down")
    assert watch_states(cloud, instance, "terminated") == ["shutting-down", "terminated"]
    again = cloud.ec2.terminate_instances(InstanceIds=[instance])["TerminatingInstances"][0]
    assert again["CurrentState"]["Name"] == "terminated"


def test_the_same_token_gives_the_same_instances(cloud: Cloud):
    first = cloud.run_many(ClientToken="once", MinCount=1, MaxCount=2)
    assert len(first) == 2
    assert cloud.run_many(ClientToken="once", MinCount=1, MaxCount=2) == first
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        cloud.run(ClientToken="once", InstanceType="p3.8xlarge")
    cloud.ec2.terminate_instances(InstanceIds=first)
    assert cloud.run_many(ClientToken="once", MinCount=1, MaxCount=2) == first


def test_a_spot_instance_gets_its_notice_before_it_goes(cloud: Cloud):
    script = (
        f"#!/bin/bash\n{ASK}\necho up\nuntil get spot/instance-action | grep action; do sleep 0.1; done\nsleep 600\n"
    )
    instance = cloud.run(script, InstanceMarketOptions={"MarketType": "spot"})
    assert cloud.describe(instance)["InstanceLifecycle"] == "spot"
    cloud.wait_console(instance, "up")
    assert cloud.interrupt(InstanceId=instance, Seconds=3)[0] == 202
    cloud.wait_console(instance, '{"action": "terminate", "time": "20')
    assert cloud.state(instance) == "running"
    gone = cloud.wait_state(instance, "terminated")
    assert gone["StateReason"]["Code"] == "Server.SpotInstanceTermination"


def test_only_spot_capacity_is_interrupted(cloud: Cloud):
    instance = cloud.run()
    status, said = cloud.interrupt(InstanceId=instance)
    assert (status, "no running Spot instance" in said["message"]) == (400, True)
    assert cloud.interrupt(InstanceId="i-0")[0] == 400
    cloud.ec2.terminate_instances(InstanceIds=[instance])


def test_a_launch_template_says_what_an_instance_is(cloud: Cloud):
    cloud.profile("templated")
    data = {
        "ImageId": cloud.image,
        "InstanceType": "p3.8xlarge",
        "UserData": base64.b64encode(b"#!/bin/sh\necho from the template\npoweroff\n").decode(),
        "IamInstanceProfile": {"Name": "templated"},
        "InstanceInitiatedShutdownBehavior": "terminate",
        "InstanceMarketOptions": {"MarketType": "spot"},
    }
    cloud.ec2.create_launch_template(LaunchTemplateName="gpu", LaunchTemplateData=data)
    template = {"LaunchTemplateName": "gpu", "Version": "1"}
    answer = cloud.ec2.run_instances(LaunchTemplate=template, MinCount=1, MaxCount=1)
    instance = answer["Instances"][0]["InstanceId"]
    cloud.wait_console(instance, "from the template")
    found = cloud.wait_state(instance, "terminated")
    assert (found["InstanceType"], found["InstanceLifecycle"]) == ("p3.8xlarge", "spot")
    assert found["IamInstanceProfile"]["Arn"].endswith("/templated")


def test_the_parts_of_a_message_run_in_order_and_others_are_told(cloud: Cloud):
    message = MIMEMultipart()
    message.attach(MIMEText("#!/bin/sh\necho one\n", "x-shellscript"))
    message.attach(MIMEText("#cloud-config\npackages: [git]\n", "cloud-config"))
    message.attach(MIMEText("#!/bin/sh\necho two\nexit 3\n", "x-shellscript"))
    instance = cloud.run(message.as_string())
    lines = cloud.wait_console(instance, "finished").splitlines()
    assert lines.index("one") < lines.index("two")
    assert any("leaves out what begins with '#cloud-config'" in line for line in lines)
    assert "cloud-init: a script of the user data ended with 3" in lines
    cloud.ec2.terminate_instances(InstanceIds=[instance])


def test_what_a_script_leaves_running_goes_on(cloud: Cloud):
    instance = cloud.run("#!/bin/sh\nnohup sh -c 'sleep 1; echo still here' &\n")
    cloud.wait_console(instance, "finished")
    cloud.wait_console(instance, "still here")
    cloud.ec2.terminate_instances(InstanceIds=[instance])


def test_what_ec2_refuses_is_refused(cloud: Cloud):
    with pytest.raises(ClientError, match=r"InvalidAMIID\.NotFound"):
        cloud.run(ImageId="ami-00000000000000000")
    with pytest.raises(ClientError, match="p9"):
        cloud.run(InstanceType="p9.large")
    with pytest.raises(ClientError, match="minCount"):
        cloud.run(MinCount=3, MaxCount=2)
    protected = cloud.run(DisableApiTermination=True)
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        cloud.ec2.terminate_instances(InstanceIds=[protected])
    assert cloud.state(protected) in {"pending", "running"}


def test_the_p3_family_is_known_by_its_gpus(cloud: Cloud):
    types = cloud.ec2.describe_instance_types(InstanceTypes=["p3.2xlarge", "p3.8xlarge", "p3.16xlarge"])
    gpus = {each["InstanceType"]: each["GpuInfo"]["Gpus"][0]["Count"] for each in types["InstanceTypes"]}
    assert gpus == {"p3.2xlarge": 1, "p3.8xlarge": 4, "p3.16xlarge": 8}
    offered = cloud.ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["p3.2xlarge"]}]
    )
    assert "us-east-1a" in {each["Location"] for each in offered["InstanceTypeOfferings"]}
