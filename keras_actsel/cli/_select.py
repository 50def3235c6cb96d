"""`keras-actsel select`: options to arguments, and a selection to the terminal."""

import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from keras_actsel import data
from keras_actsel._spelling import did_you_mean
from keras_actsel.cli._errors import fail
from keras_actsel.datasets import require_file
from keras_actsel.results import Selection, Trial, TrialError, json_ready


@dataclass(frozen=True)
class Plan:
    """What the options of `select` ask for; `training` holds arguments for `keras_actsel.search.select`."""

    dataset: str
    target: str | None
    subset: int | None
    model: str | None
    candidates: list[str]
    objective: str | None
    json: Path | None
    quiet: bool
    training: dict[str, Any]


def run(plan: Plan) -> None:
    """Select, and print and write what was found. Whatever is wrong with the options is told before training."""
    if plan.json is not None:
        _check_writable(plan.json)
    dataset = data.load(plan.dataset, plan.target)
    dataset = dataset if plan.subset is None else data.subset(dataset, plan.subset)
    model = data.default_model(dataset) if plan.model is None else load_model(plan.model)
    console = Console()
    if not plan.quiet:
        console.print(_described(dataset, model, plan))
    selection = _selected(model, dataset, plan)
    _print_selection(console, selection, plan.quiet)
    if plan.json is not None:
        plan.json.write_text(selection.to_json() + "\n", encoding="utf-8")
        if not plan.quiet:
            console.print(f"\nWritten to {plan.json}.", soft_wrap=True, highlight=False, markup=False)


def _selected(model: Any, dataset: data.Dataset, plan: Plan) -> Selection:
    from keras_actsel import search

    try:
        return search.select(
            model,
            dataset.x_train,
            dataset.y_train,
            validation_data=None if dataset.x_test is None else (dataset.x_test, dataset.y_test),
            candidates=split_candidates(plan.candidates) or None,
            objective=parse_objective(plan.objective),
            verbose=0 if plan.quiet else 1,
            **plan.training,
        )
    except KeyboardInterrupt as interrupt:
        _keep_finished(getattr(interrupt, "trials", ()), plan)
        raise
    except TrialError as error:
        _keep_finished(error.trials, plan)
        told = f" ({len(error.trials)} finished trials are in this error's `.trials`.)"  # which a terminal has not
        raise fail(str(error).removesuffix(told)) from error


def split_candidates(options: Iterable[str]) -> list[str]:
    """Names separated by commas; a comma within parentheses separates parameters and does not count.

    Example:
        >>> split_candidates(["relu, gelu", "relu(negative_slope=0.1,max_value=6)"])
        ['relu', 'gelu', 'relu(negative_slope=0.1,max_value=6)']
    """
    names = []
    for option in options:
        depth, start = 0, 0
        for place, mark in enumerate(option):
            depth += {"(": 1, ")": -1}.get(mark, 0)
            if mark == "," and depth <= 0:
                names.append(option[start:place])
                start = place + 1
        names.append(option[start:])
    return [name.strip() for name in names if name.strip()]


def initializers_of(options: Iterable[str]) -> str | list[str]:
    """What `select` takes as `initializer`, from names separated by commas.

    Example:
        >>> initializers_of([]), initializers_of(["model,matched"])
        ('model', ['model', 'matched'])
    """
    return split_candidates(options) or "model"


def parse_objective(text: str | None) -> str | tuple[str, str] | None:
    """A metric's name, or with `:max` or `:min` behind it the pair that `select` takes.

    Example:
        >>> parse_objective("val_accuracy"), parse_objective("val_cost:min")
        ('val_accuracy', ('val_cost', 'min'))
    """
    name, colon, direction = (text or "").rpartition(":")
    if not colon:
        return text
    if direction not in ("max", "min"):
        raise ValueError(f"Expected a metric, or a metric with :max or :min behind it. Received: {text!r}.")
    return name, direction


def load_model(source: str) -> keras.Model | Callable[[Any], keras.Model]:
    """A model or a `build(activation)` function, from a .keras file or from `module:function`.

    Raises:
        ValueError: If there is no such file, module or function, or it gives no model.
    """
    if source.lower().endswith((".keras", ".h5")):
        return _saved_model(Path(source).expanduser())
    module, colon, name = source.rpartition(":")
    if not (colon and module and name):
        raise ValueError(f"The model must be a .keras file or module:function. Received: {source!r}.")
    function = _imported(module, name)
    return function if _takes_arguments(function) else _made(function, source)


def _saved_model(path: Path) -> keras.Model:
    if not path.exists():
        require_file(path)
    try:
        return keras.saving.load_model(path)
    except Exception as error:  # whatever a damaged file or an unknown layer makes Keras raise
        raise ValueError(
            f"Could not load the model {path.name}: {error} If it has layers of your own, give module:function instead."
        ) from error


def _imported(module: str, name: str) -> Callable[..., Any]:
    if os.getcwd() not in sys.path:  # as `python -m` does
        sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise fail(f"Importing {module} failed: {error}") from error
        raise ValueError(f"There is no module {module!r}. Expected one in this folder or installed.") from error
    except Exception as error:
        raise fail(f"Importing {module} failed: {type(error).__name__}: {error}") from error
    function = getattr(found, name, None)
    if not callable(function):
        functions = [key for key, value in vars(found).items() if inspect.isfunction(value)]
        raise ValueError(
            f"Module {module!r} has no function {name!r}.{did_you_mean(name, functions)} "
            f"It has: {', '.join(functions) or 'none'}."
        )
    return function


def _takes_arguments(function: Callable[..., Any]) -> bool:
    """Whether a function wants an activation; arguments with defaults are settings of a model it makes."""
    parameters = inspect.signature(function).parameters.values()
    return any(p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)


def _made(function: Callable[[], Any], source: str) -> keras.Model:
    try:
        model = function()
    except Exception as error:
        raise fail(f"{source}() failed: {type(error).__name__}: {error}") from error
    if not isinstance(model, keras.Model):
        raise ValueError(f"{source}() must return a compiled keras.Model. Received: {type(model).__name__}.")
    return model


def _check_writable(path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"The output must be a file. Received the directory {str(path)!r}.")
    if not path.parent.is_dir():
        raise ValueError(f"Can't write {str(path)!r}: there is no folder {str(path.parent)!r}. Make it first.")
    existed = path.exists()
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise ValueError(f"Can't write {str(path)!r}: {error.strerror}. Choose another file.") from error
    if not existed:
        path.unlink()


def _described(dataset: data.Dataset, model: Any, plan: Plan) -> Table:
    name = "default network" if plan.model is None else plan.model
    size = f", {model.count_params():,} parameters" if isinstance(model, keras.Model) and model.built else ""
    training = plan.training
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_row("data", Text(str(dataset)))
    grid.add_row("model", Text(f"{name}{size}"))
    grid.add_row(
        "training",
        f"{training['epochs']} epochs, batches of {training['batch_size']}, {training['seeds']} seeds, "
        f"{training['confirm']} more to confirm; {keras.backend.backend()}",
    )
    return grid


def _print_selection(console: Console, selection: Selection, quiet: bool) -> None:
    style = "bold green" if selection.recommended != selection.baseline else "bold"
    verdict = Text(selection.verdict)
    verdict.stylize(style, 0, len(selection.verdict.partition(":")[0]))
    if quiet:
        console.print(verdict, soft_wrap=True)
        return
    console.print()
    console.print(selection.leaderboard())
    console.print(Padding(verdict, (1, 1, 0, 1)))


def _keep_finished(trials: Sequence[Trial], plan: Plan) -> None:
    """Say, and where a file was asked for write, what had been trained before the end came."""
    console = Console(stderr=True)
    if not trials:
        return
    if not plan.quiet:
        console.print(f"{len(trials)} trials had finished:", _scores(trials))
    if plan.json is not None:
        content = json.dumps(json_ready({"complete": False, "trials": [asdict(trial) for trial in trials]}), indent=2)
        plan.json.write_text(content + "\n", encoding="utf-8")
        console.print(f"Written to {plan.json}.", soft_wrap=True, highlight=False, markup=False)


def _scores(trials: Iterable[Trial]) -> Table:
    grouped: dict[tuple[str, str], list[str]] = {}
    for trial in trials:
        grouped.setdefault((trial.candidate, trial.stage), []).append(f"{trial.score:.4f}")
    table = Table("candidate", "stage", "scores", box=None, header_style="bold")
    for (candidate, stage), scores in grouped.items():
        table.add_row(Text(candidate), stage, "  ".join(scores))
    return table
