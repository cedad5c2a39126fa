"""Raises after it has left half a model."""

import os
from pathlib import Path

Path(os.environ["SM_MODEL_DIR"], "half").touch()
raise ValueError("the data makes no sense")
