"""The one door to AWS: clients built in one place, the stack's outputs, errors translated once."""

from ratchet.aws.client import Aws, connect
from ratchet.aws.failure import translate_errors
from ratchet.aws.stack import Deployment, read_deployment

__all__ = ["Aws", "Deployment", "connect", "read_deployment", "translate_errors"]
