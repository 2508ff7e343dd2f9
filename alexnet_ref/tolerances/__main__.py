"""`python -m alexnet_ref.tolerances --out FILE`: the tables of docs/tolerances.md, measured on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from alexnet_ref.tolerances.report import tolerances_report


def main() -> None:
    """Write the tables to a file, or to standard output."""
    parser = argparse.ArgumentParser(prog="python -m alexnet_ref.tolerances", description=__doc__)
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write the Markdown (default: standard output)")
    out: Path | None = parser.parse_args().out
    if out is not None and not out.absolute().parent.is_dir():
        parser.error(f"no such folder: {out.absolute().parent}")  # before measuring for minutes
    report = tolerances_report()
    if out is None:
        sys.stdout.write(report)
    else:
        out.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
