"""Errors in one line, and exit codes: 2 for input that can't be used, 1 for code that failed, 130 for Ctrl-C."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console


@contextmanager
def reported_errors() -> Iterator[None]:
    """Turn errors that a user can mend into one red line on standard error and an exit code."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        _say("Interrupted.", style="yellow")
        raise typer.Exit(130) from interrupt
    except ValueError as error:
        _say(f"Error: {_one_line(error)}")
        raise typer.Exit(2) from error


def allow_any_text() -> None:
    """Let a terminal that lacks a character, such as an author's ü, show a question mark in its place."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _one_line(error: Exception) -> str:
    text = " ".join(" ".join([str(error), *getattr(error, "__notes__", [])]).split())
    return text.replace("`catalogue()` lists all", "`keras-actsel list` lists all")


def _say(text: str, style: str = "red") -> None:
    # A fresh console each time, as a test or a pipe may have put another stream in place of standard error.
    Console(stderr=True, soft_wrap=True).print(text, style=style, markup=False, highlight=False)


def fail(text: str) -> typer.Exit:
    """Say that code of the user's own failed; raise what this returns."""
    _say(f"Error: {' '.join(text.split())}")
    return typer.Exit(1)
