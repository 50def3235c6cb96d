"""The command line: `keras-actsel select`, `list` and `show`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from keras_actsel.cli._errors import allow_any_text, reported_errors


class _Commands(TyperGroup):
    """The commands, with errors told in one line."""

    def invoke(self, ctx: Any) -> Any:
        allow_any_text()
        with reported_errors():
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    help="Pick the activation function of a Keras model, with evidence.",
    epilog="The backend is Keras's: set KERAS_BACKEND to tensorflow, jax or torch.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_DATA, _SEARCH, _OUTPUT = "Data and model", "Search", "Output"

_SELECT = """Train a model with each activation, and say which to use.

Every candidate is trained on the same seeds. If one of them leads the model's own activation, both are trained again \
on fresh seeds, and a paired t test on these decides.
"""


def _option(panel: str, metavar: str, text: str, **arguments: Any) -> Any:
    return typer.Option(help=text, metavar=metavar, rich_help_panel=panel, **arguments)


@app.command(help=_SELECT, epilog="Example: keras-actsel select --dataset wine.csv --target quality --epochs 30")
def select(  # noqa: PLR0913 - each argument is an option of the command
    *,
    dataset: Annotated[
        str,
        _option(
            _DATA,
            "NAME|FILE",
            "digits (in the package), a name of keras.datasets, an .npz file with x_train, y_train and, if wanted, "
            "x_test, y_test, or a .csv file with a header.",
        ),
    ] = "digits",
    target: Annotated[str | None, _option(_DATA, "COLUMN", "The column of a .csv file to predict.")] = None,
    subset: Annotated[
        int | None, _option(_DATA, "N", "Use only N training samples; each class keeps its share.", min=1)
    ] = None,
    model: Annotated[
        str | None,
        _option(
            _DATA,
            "FILE|MODULE:FUNCTION",
            "A compiled model: a .keras file, a function of no arguments that returns one, or a function "
            "build(activation) that is called for each trial. Default: a small network that suits the data.",
        ),
    ] = None,
    candidates: Annotated[
        list[str] | None,
        _option(
            _SEARCH,
            "NAMES",
            "Activations separated by commas: relu,gelu or 'relu,leaky_relu(negative_slope=0.1)'. May be repeated. "
            "Default: a shortlist of six.",
        ),
    ] = None,
    initializer: Annotated[
        list[str] | None,
        _option(
            _SEARCH,
            "NAMES",
            "What draws the weights before the activations: model (the model's own), matched, or names such as "
            "he_normal, separated by commas. May be repeated. Default: model.",
        ),
    ] = None,
    seeds: Annotated[int, _option(_SEARCH, "N", "Training runs of each candidate.", min=1)] = 3,
    confirm: Annotated[
        int, _option(_SEARCH, "N", "Fresh seeds on which leader and baseline meet; 0 claims nothing.", min=0)
    ] = 5,
    epochs: Annotated[int, _option(_SEARCH, "N", "Passes over the training data in each run.", min=1)] = 10,
    batch_size: Annotated[int, _option(_SEARCH, "N", "Samples in a training step.", min=1)] = 32,
    objective: Annotated[
        str | None,
        _option(
            _SEARCH,
            "METRIC",
            "What to compare, such as val_accuracy; with :max or :min behind it where Keras does not know which is "
            "better. Default: the model's first metric.",
        ),
    ] = None,
    json: Annotated[Path | None, _option(_OUTPUT, "FILE", "Write trials, leaderboard and verdict here.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict alone.", rich_help_panel=_OUTPUT)] = (
        False
    ),
) -> None:
    """Train a model with each activation, and say which to use."""
    from keras_actsel.cli._select import Plan, initializers_of, run

    training = {"seeds": seeds, "confirm": confirm, "epochs": epochs, "batch_size": batch_size}
    drawn = {"initializer": initializers_of(initializer or [])}
    run(Plan(dataset, target, subset, model, candidates or [], objective, json, quiet, {**training, **drawn}))


@app.command("list", epilog="Example: keras-actsel list --belongs hidden --where monotonic=true")
def list_(
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Only those of a kind: elementwise, axiswise or shape_changing."),
    ] = None,
    belongs: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="Only those that belong in a place: hidden, output or gate."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FACT=VALUE", help="Only those of a fact: monotonic=true, cost=low. May be repeated."),
    ] = None,
) -> None:
    """List the activations of the catalogue."""
    from keras_actsel.cli._show import print_catalogue

    given = {"kind": kind, "belongs": belongs}
    print_catalogue([f"{fact}={word}" for fact, word in given.items() if word is not None] + (where or []))


@app.command(epilog="Example: keras-actsel show 'leaky_relu(negative_slope=0.1)'")
def show(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names, or names with parameters.")],
) -> None:
    """Show activations: formula, derivative, facts, source and a plot."""
    from keras_actsel.cli._show import print_activations

    print_activations(names)


def main() -> None:
    """The entry point of the command `keras-actsel`."""
    app(prog_name="keras-actsel")
