"""The one door to AWS: clients built in one place, the stack's outputs, errors translated once."""

from ratchet.aws.bucket import Bucket, Stored, split_uri
from ratchet.aws.client import Aws, connect
from ratchet.aws.condition import Check, ConditionFailedError, Item, Put, Write, create, has, replace
from ratchet.aws.failure import translate_errors
from ratchet.aws.stack import Deployment, read_deployment
from ratchet.aws.table import Table, retry_conflicts

__all__ = [
    "Aws",
    "Bucket",
    "Check",
    "ConditionFailedError",
    "Deployment",
    "Item",
    "Put",
    "Stored",
    "Table",
    "Write",
    "connect",
    "create",
    "has",
    "read_deployment",
    "replace",
    "retry_conflicts",
    "split_uri",
    "translate_errors",
]
