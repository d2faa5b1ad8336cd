"""Training's command line: python -m training COMMAND (--help lists them)."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
STATE = HERE.parent / "var" / "training"


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="python -m training", description="Make the line recogniser of sohoa.")
    commands = whole.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train, then export, evaluate and report")
    train.add_argument(
        "--hours", type=float, default=2.0, help="hours in all, those of resumed calls counted (default 2)"
    )
    train.add_argument("--resume", action="store_true", help="go on from the newest whole checkpoint")
    train.add_argument("--seed", type=int, default=1)
    train.add_argument("--processes", type=int, default=2, choices=(1, 2), help="of one thread each (default 2)")
    train.add_argument("--max-steps", type=int, default=0, help="stop after so many batches (for tests)")
    train.add_argument("--train-only", action="store_true", help="leave out export, evaluation and report")
    for name, text in (
        ("export", "newest checkpoint to ONNX"),
        ("report", "learning curve"),
        ("card", "model card"),
        ("sample", "a sheet of generated lines"),
    ):
        commands.add_parser(name, help=text)
    language = commands.add_parser("language", help="counts of word pairs, for the product's choice among tone marks")
    language.add_argument("--tune", action="store_true", help="choose the weights of the counts on generated lines")
    language.add_argument("--lines", type=int, default=1000, help="lines per quality to tune on, as many to measure on")
    language.add_argument("--seed", type=int, default=1)
    evaluate = commands.add_parser("evaluate", help="share of exact lines, by quality")
    evaluate.add_argument("--pages", type=Path, help="folder of pages with truth.json, cut by true boxes")
    evaluate.add_argument("--lines", type=int, default=120, help="generated lines per quality and kind of writing")
    writing = commands.add_parser("writing", help="train and measure the detector of print, handwriting and stamps")
    writing.add_argument("--lines", type=int, default=24000, help="generated lines (default 24000; 0: only measure)")
    writing.add_argument("--measured", type=int, default=200, help="generated lines per writing and quality to measure")
    writing.add_argument("--pages", type=Path, help="folder of pages with truth.json, only measured on")
    writing.add_argument("--seed", type=int, default=1)
    for command in commands.choices.values():
        command.add_argument(
            "--folder", type=Path, default=STATE, help="checkpoints, log and exports (default var/training)"
        )
    return whole


def main() -> int:
    given = parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    try:
        COMMANDS[given.command](given)
    except (ValueError, FileNotFoundError) as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


def _train(given: argparse.Namespace) -> None:
    from training.export import WEIGHTS
    from training.train import Plan, train

    plan = Plan(
        given.hours, given.folder, given.resume, given.seed, given.processes, given.max_steps, HERE / "model" / WEIGHTS
    )
    if not train(plan):
        print(f"Stopped; the checkpoint is in {given.folder}. Go on with --resume.")
    elif not given.train_only:
        _export(given)
        given.pages, given.lines = None, 120
        _evaluate(given)
        _report(given)


def _export(given: argparse.Namespace) -> None:
    from training.export import MODEL, export

    facts = export(given.folder, given.folder / "export")
    print(f"{given.folder / 'export' / MODEL}: version {facts['version']}, {facts['bytes']} bytes")


def _evaluate(given: argparse.Namespace) -> None:
    from training.evaluate import evaluate

    evaluate(given.folder / "export", given.pages, given.lines)
    _card(given)


def _report(given: argparse.Namespace) -> None:
    from training.report import write_report

    print(write_report(given.folder))


def _card(given: argparse.Namespace) -> None:
    from training.card import write_card

    print(write_card(given.folder / "export"))


def _sample(given: argparse.Namespace) -> None:
    from training.report import write_sample

    print(write_sample(given.folder))


def _language(given: argparse.Namespace) -> None:
    from training.language import fits, write_language

    path = write_language()
    print(f"{path}: {path.stat().st_size} bytes")
    if given.tune:
        from training.tune import write_weights

        print(write_weights(given.lines, given.seed).read_text(encoding="utf-8"))
    elif not fits(path):
        print("The weights beside the counts are for other counts, so the product refuses them; run with --tune.")


def _writing(given: argparse.Namespace) -> None:
    from training.writing_measure import as_text, measure

    target = given.folder / "export"
    if given.lines:
        from training.writing_model import train

        train(given.lines, given.seed, target)
    print(as_text(measure(target, given.measured, given.pages)))


COMMANDS = {
    "train": _train,
    "export": _export,
    "evaluate": _evaluate,
    "report": _report,
    "card": _card,
    "sample": _sample,
    "language": _language,
    "writing": _writing,
}

if __name__ == "__main__":
    sys.exit(main())
