"""What the documents say runs: the README's commands, and every Python block."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_readme_names_the_two_commands():
    commands = [line for block in blocks(ROOT / "README.md", "sh") for line in block.splitlines()]
    assert 'pip install ".[tensorflow]" && keras-actsel select --dataset digits' in commands
    assert 'pip install -e ".[dev]" && pytest' in commands


@pytest.mark.parametrize("path", [d for d in DOCUMENTS if blocks(d, "python")], ids=lambda path: path.name)
def test_python_blocks_run(path, tmp_path):
    # One process for a document, as its blocks build on each other; the fewest epochs and seeds that show they run.
    program = "\n".join(blocks(path, "python"))
    program = re.sub(
        r"epochs=\d+", "epochs=1, seeds=2, confirm=2, verbose=0", re.sub(r"seeds=\d, confirm=\d, ", "", program)
    )
    run([sys.executable, "-c", program], tmp_path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_run(path, tmp_path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60
    run([sys.executable, path], tmp_path, KERAS_ACTSEL_QUICK="1")


def run(command, folder, **extra):
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend(), **extra}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_links_between_documents_lead_somewhere():
    for path in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
