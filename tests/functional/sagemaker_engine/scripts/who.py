"""Tells what the toolkit says about the hosts."""

import json
import os

print("I am", os.environ["SM_CURRENT_HOST"], "of", json.loads(os.environ["SM_HOSTS"]))
