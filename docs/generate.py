"""Write `docs/catalogue.md` and the pictures of `docs/gallery/` from the records of the catalogue.

    python docs/generate.py            # write them; needs SymPy and matplotlib: pip install -e ".[testing,report]"
    python docs/generate.py --check    # say which of them are stale, and fail; needs SymPy

Text is compared in full. Of pictures only a digest is compared, of what they are drawn from, which each carries inside:
their bytes depend on the version of matplotlib.
"""

import argparse
import sys
from pathlib import Path

import _gallery
import _page

from keras_actsel import activations


def families() -> dict[str, list[activations.ActivationFunction]]:
    """The records of this package by the file that they are written in."""
    found: dict[str, list[activations.ActivationFunction]] = {}
    for record in activations.catalogue():
        package, _, module = record.function.__module__.rpartition(".")
        if package == activations.__name__:
            found.setdefault(module, []).append(record)
    return dict(sorted(found.items()))


def write(folder: Path) -> None:
    """Write the page and the pictures whose records have changed, and remove pictures of families that are gone."""
    gallery = folder / "gallery"
    gallery.mkdir(exist_ok=True)
    (folder / "catalogue.md").write_text(_page.text(families()), encoding="utf-8")
    for path in sorted(stale(folder)):
        if path.suffix == ".svg":
            path.unlink(missing_ok=True)
    for module, records in families().items():
        if not (picture := gallery / _page.picture_name(module)).exists():
            _gallery.draw(records, picture)


def stale(folder: Path) -> set[Path]:
    """The files that the records of today would give otherwise."""
    found = set()
    page = folder / "catalogue.md"
    if not page.exists() or not _page.same(page.read_text(encoding="utf-8"), _page.text(families())):
        found.add(page)
    wanted = {folder / "gallery" / _page.picture_name(module): records for module, records in families().items()}
    for path, records in wanted.items():
        if not path.exists() or _gallery.stamp(records) not in path.read_text(encoding="utf-8"):
            found.add(path)
    return found | (set((folder / "gallery").glob("*.svg")) - set(wanted))


def main() -> None:
    """Write, or check with `--check`, what is in the folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say what is stale, and fail if anything is")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where the files are")
    arguments = parser.parse_args()
    if not arguments.check:
        write(arguments.folder)
    elif names := sorted(path.relative_to(arguments.folder).as_posix() for path in stale(arguments.folder)):
        sys.exit(f"Stale: {', '.join(names)}. Run `python docs/generate.py` and commit what it writes.")


if __name__ == "__main__":
    main()
