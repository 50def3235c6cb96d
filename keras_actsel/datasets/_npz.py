"""Arrays from an .npz file. Pickled content is never read: unpickling can run any code."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from keras_actsel._spelling import did_you_mean
from keras_actsel.datasets import require_file

Array = np.ndarray[Any, Any]
REQUIRED, OPTIONAL = ("x_train", "y_train"), ("x_test", "y_test")


def read_npz(path: Path) -> dict[str, Array]:
    """The arrays x_train, y_train and, where the file has them, x_test and y_test.

    Raises:
        ValueError: If there is no such file, or it is no readable .npz file with these arrays.
    """
    require_file(path)
    try:
        file = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise _unreadable(path, "it is not an .npz file, or it is damaged", error) from error
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise ValueError(
            f"{path.name} holds a single array. Expected an .npz file: np.savez(file, x_train=, y_train=)."
        )
    with file:
        names = _wanted(path, list(file.files))
        return {name: _read_array(path, file, name) for name in names}


def _wanted(path: Path, present: list[str]) -> list[str]:
    wanted = [*REQUIRED, *(OPTIONAL if any(name in present for name in OPTIONAL) else ())]
    missing = [name for name in wanted if name not in present]
    if missing:
        raise ValueError(
            f"{path.name} lacks {' and '.join(missing)}.{did_you_mean(missing[0], present)} "
            f"It holds: {', '.join(present) or 'nothing'}. Expected x_train, y_train and, if wanted, x_test, y_test."
        )
    return wanted


def _read_array(path: Path, file: Any, name: str) -> Array:
    try:
        array = file[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise _unreadable(path, f"array {name} is damaged", error) from error
        raise ValueError(
            f"{path.name}: {name} holds pickled Python objects, which are never read because they can run code. "
            "Save plain numbers or text, such as np.savez(file, x_train=x.astype('float32'))."
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise _unreadable(path, f"array {name} is damaged", error) from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path.name}: {name} is not a NumPy array. Write the file with np.savez.")
    return array


def _unreadable(path: Path, what: str, error: Exception) -> ValueError:
    return ValueError(
        f"Could not read {path.name}: {what} ({_first_line(error)}). Write or copy it again; np.savez makes such files."
    )


def _first_line(error: Exception) -> str:
    text = str(error).partition("\n")[0].rstrip(".")
    # NumPy's words for "not a NumPy file" would advise to allow pickles.
    return "no NumPy file" if "pickle" in text else text or type(error).__name__
