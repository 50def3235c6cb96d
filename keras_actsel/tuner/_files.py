"""Small files beside those of keras-tuner."""

import json
import os
from pathlib import Path
from typing import Any


def write_json(path: Path, content: Any) -> None:
    """Write a file whole or not at all: workers share a project directory, and a search may be killed."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps(content, indent=2, allow_nan=False))
    os.replace(partial, path)
