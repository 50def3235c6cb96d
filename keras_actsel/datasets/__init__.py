"""Reading files of examples, and the digits that come with the package (see README.md beside this file)."""

from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from keras_actsel._spelling import did_you_mean


def digits() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Images of handwritten digits, uint8 (1797, 8, 8) from 0 to 16, and their labels, uint8 (1797,).

    Source: Alpaydin & Kaynak 1998, https://doi.org/10.24432/C50P49, CC BY 4.0.
    """
    file = resources.files(__name__) / "digits.npz"
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"]


def require_file(path: Path) -> None:
    """Check that a file of examples is there.

    Raises:
        ValueError: If it does not exist or is a directory.
    """
    if path.is_dir():
        raise ValueError(f"Expected a file of examples. Received the directory {str(path)!r}. Name a file in it.")
    if not path.exists():
        siblings = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, siblings)
        raise ValueError(f"File not found: {str(path)!r}.{hint} Expected an existing .npz or .csv file.")
