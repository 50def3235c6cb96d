"""What the documents say runs: the README's commands, and every Python block."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import keras
import pytest
from typer.testing import CliRunner

from keras_actsel import cli

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands():
    """The README's commands, each split into the extras it installs and what it runs then."""
    lines = [line for block in blocks(ROOT / "README.md", "sh") for line in block.splitlines()]
    matches = [re.fullmatch(r'pip install (?:-e )?"\.\[([a-z,]+)\]" && (.+)', line) for line in lines]
    return {match[2].split()[0]: (match[1].split(","), match[2]) for match in matches if match}


def test_the_readme_has_the_two_commands_with_extras_that_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert list(commands()) == ["keras-actsel", "pytest"]
    extras = project["optional-dependencies"]
    for names, _ in commands().values():
        assert set(names) <= set(extras)
    assert commands()["keras-actsel"][0] == ["tensorflow"]
    # Both work one after the other in one environment: they must name the same TensorFlow.
    assert "keras-actsel[tensorflow,testing,tuner]" in extras["dev"]
    assert project["scripts"] == {"keras-actsel": "keras_actsel.cli:main"}


@pytest.mark.slow
def test_the_command_of_the_main_job_runs_as_printed():
    """As printed but for the time it takes: the fewest samples, epochs and seeds."""
    _, *arguments = commands()["keras-actsel"][1].split()
    small = ["--subset", "100", "--epochs", "1", "--seeds", "1", "--confirm", "0"]
    result = CliRunner().invoke(cli.app, [*arguments, *small])
    assert result.exit_code == 0, result.output
    assert "relu" in result.stdout
    assert "no difference is claimed" in " ".join(result.stdout.split())


def documents_with_code():
    """The documents that have Python blocks: what the long ones show is tested on each backend by itself."""
    for path in DOCUMENTS:
        if blocks(path, "python"):
            yield pytest.param(path, marks=[] if path.name == "README.md" else pytest.mark.on_one_backend, id=path.name)


@pytest.mark.slow
@pytest.mark.parametrize("path", documents_with_code())
def test_python_blocks_run(path, tmp_path):
    # One process for a document, as its blocks build on each other; the fewest epochs and seeds of `select` that show
    # they run. What says `verbose=0` is a `fit`, and quick.
    program = re.sub(r"seeds=\d, confirm=\d, ", "", "\n".join(blocks(path, "python")))
    program = re.sub(r"epochs=\d+(?!\d|, verbose)", "epochs=1, seeds=2, confirm=2, verbose=0", program)
    run([sys.executable, "-c", program], tmp_path)


CHECK_ALL = """
from keras_actsel import testing
from keras_actsel.activations import catalogue

(*entered,) = (record for record in catalogue() if record.function.__module__ == "__main__")
assert len(entered) == {count}, entered
for record in entered:
    testing.check(record)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["architecture.md", "contributing.md"])
def test_activations_that_documents_define_pass_the_kit(name, tmp_path):
    pytest.importorskip("sympy")
    program = "\n".join(block for block in blocks(ROOT / "docs" / name, "python") if "@activation(" in block)
    count = program.count("@activation(")
    assert count > 0
    run([sys.executable, "-c", program + CHECK_ALL.format(count=count)], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_run(path, tmp_path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60
    run([sys.executable, path], tmp_path, KERAS_ACTSEL_QUICK="1")


def execute(command, folder, **extra):
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend(), **extra}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def run(command, folder, **extra):
    done = execute(command, folder, **extra)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.on_one_backend
def test_the_catalogue_and_its_pictures_follow_the_records(tmp_path):
    pytest.importorskip("sympy")
    run([sys.executable, ROOT / "docs" / "generate.py", "--check"], tmp_path)


@pytest.mark.slow
@pytest.mark.on_one_backend
def test_what_is_stale_is_named(tmp_path):
    """A fact, a picture's digest and a family that is gone; the rest of the folder is as it was."""
    pytest.importorskip("sympy")
    folder = shutil.copytree(ROOT / "docs", tmp_path / "docs")
    page, picture = folder / "catalogue.md", folder / "gallery" / "gated.svg"
    page.write_text(page.read_text(encoding="utf-8").replace("Misra 2019", "Misra 2018"), encoding="utf-8")
    picture.write_text(picture.read_text(encoding="utf-8").replace("generate.py from ", "generate.py from 0"), "utf-8")
    shutil.copy(picture, folder / "gallery" / "extinct.svg")
    done = execute([sys.executable, ROOT / "docs" / "generate.py", "--check", "--folder", folder], tmp_path)
    assert done.returncode == 1
    assert "Stale: catalogue.md, gallery/extinct.svg, gallery/gated.svg. Run `python docs/" in done.stderr


def anchors_of(path):
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_between_documents_lead_somewhere():
    for path in DOCUMENTS:
        for target, _, anchor in re.findall(
            r"\]\((?!https?://)([^)#]*)(#([^)]+))?\)", path.read_text(encoding="utf-8")
        ):
            other = path.parent / target if target else path
            assert other.exists(), f"{path.name}: {target}"
            assert not anchor or anchor in anchors_of(other), f"{path.name}: {target}#{anchor}"
