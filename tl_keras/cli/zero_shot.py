"""``tl-keras zero-shot``: classes named in words, nothing trained or only the last layer."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from tl_keras.cli import choices
from tl_keras.cli.files import image_files
from tl_keras.cli.options import VAL_FRACTION, add_json, messages, percent, print_json
from tl_keras.cli.predict import answers, print_answers
from tl_keras.cli.startup import start_keras
from tl_keras.errors import InputError

_EXAMPLES = """\
examples:
  tl-keras zero-shot new/*.jpg --prompts "a scratched tile" "a flawless tile"
  tl-keras zero-shot new/ --prompts cat dog --templates photo        "a photo of a cat."
  tl-keras zero-shot new/ --prompts bad="a crack" bad="a hole" good="a flawless tile"
  tl-keras zero-shot --prompts cat dog --output saved_models/pets    for predict, evaluate, export
  tl-keras zero-shot --train photos/ --output saved_models/photos     a linear probe from the words

Needs KerasHub: pip install 'tl-keras[keras-hub]'.  The model is fetched from its hub on first use;
without a network give the folder of a preset that KerasHub's save_to_preset wrote.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    from tl_keras.builders.prompts import TEMPLATES

    parser.description = (
        "Print which of your texts describes each image best, by a model of images and texts such "
        "as CLIP or SigLIP; write it as an artefact; or train its last layer on labelled images, "
        "starting from the texts."
    )
    parser.epilog = _EXAMPLES
    parser.add_argument("images", metavar="IMAGE", nargs="*", help="image files or folders of them")
    parser.add_argument(
        "--prompts",
        metavar="TEXT",
        nargs="+",
        default=[],
        help="a text a class; NAME=TEXT names the class, and the same NAME again adds a text to it",
    )
    parser.add_argument(
        "--templates",
        metavar="TEMPLATE",
        nargs="+",
        default=["plain"],
        help=f"{', '.join(TEMPLATES)}, or texts with {{}} where a prompt goes; vectors of several "
        "are averaged (default: plain, prompts as they are)",
    )
    parser.add_argument(
        "--model",
        metavar="PRESET",
        help="a preset of KerasHub by name or handle, or a folder that holds one (default: "
        "clip_vit_base_patch32)",
    )
    parser.add_argument(
        "--train",
        metavar="DATA",
        help="train the last layer on these images, as for `tl-keras train`, starting from the "
        "texts; a class without a prompt is called by its name; takes --output",
    )
    parser.add_argument("--output", metavar="DIR", help="write the model there; must not exist yet")
    parser.add_argument(
        "--top", type=int, metavar="K", help="show the K most probable (default: 1)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of split and order with --train (default: 0)"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Build the model, train it if asked, write it if asked, and name the images."""
    _check(options)
    prompts = _prompts(options.prompts)
    paths = image_files(options.images)
    if options.output:
        from tl_keras.artefact.writing import check_output

        check_output(Path(options.output))
    with messages(options.json):
        start_keras()
        from tl_keras.artefact.zero_shot import ZeroShot
        from tl_keras.builders.zero_shot import PRESET

        examples = _examples(options.train) if options.train else None
        if examples is not None:
            prompts = _for_classes(examples.class_names, prompts)
        templates = options.templates
        model = ZeroShot(
            prompts,
            options.model or PRESET,
            templates=templates[0]
            if len(templates) == 1 and "{" not in templates[0]
            else templates,
        )
        result: dict[str, Any] = {}
        if examples is not None:
            result = _probe(options, model, examples)
        elif options.output:
            model.save(options.output)
        if options.output:
            print(f"Saved to {options.output}", file=sys.stderr)
        predictions, skipped = answers(model, paths)
    if options.json and not paths:
        print_json({**result, "artefact": options.output})
    elif paths:
        print_answers(model.task, predictions, skipped, options.top, options.json)
        return 0 if predictions and not skipped else 2
    return 2 if result.get("interrupted") else 0


def _check(options: argparse.Namespace) -> None:
    if options.top is not None and options.top < 1:
        raise InputError(f"--top is 1 or more; got {options.top}")
    if options.train and not options.output:
        raise InputError("--train makes a model; say with --output where it goes")
    if not options.prompts and not options.train:
        raise InputError("no prompts; give --prompts and two texts or more, one a class")
    if not options.images and not options.output:
        raise InputError("nothing to do; give images ahead of --prompts, or --output")
    if options.images and options.train:
        raise InputError("--train and images are two commands; predict with the model it writes")


def _prompts(given: list[str]) -> dict[str, list[str]]:
    """Texts by class, of ``TEXT`` and ``NAME=TEXT``."""
    found: dict[str, list[str]] = {}
    for item in given:
        name, sign, text = item.partition("=")
        name, text = (name, text) if sign else (item, item)
        if text in found.get(name, []):
            raise InputError(f"the prompt {text!r} is given twice; give each class its own")
        found.setdefault(name, []).append(text)
    return found


def _examples(data: str) -> Any:
    from tl_keras.data.reading.opening import open_data

    examples = open_data(data)
    if len(examples.class_names) < 2 or (examples.labels < 0).any():
        raise InputError(f"{data} does not give every image one of two classes or more")
    return examples


def _for_classes(names: tuple[str, ...], prompts: dict[str, list[str]]) -> dict[str, list[str]]:
    """Prompts in the order of the data's classes."""
    unknown = [name for name in prompts if name not in names]
    if unknown:
        raise InputError(
            f"--prompts names {', '.join(unknown)}, and the data has classes {', '.join(names)}; "
            "write NAME=TEXT with these names"
        )
    return {name: prompts.get(name, [name.replace("_", " ")]) for name in names}


def _probe(options: argparse.Namespace, model: Any, examples: Any) -> dict[str, Any]:
    """Train the last layer, measure it beside the words alone, and save the run."""
    from tl_keras.artefact.split_record import described_split
    from tl_keras.artefact.zero_shot import preset_notes
    from tl_keras.data.splitting import train_val_test
    from tl_keras.training.fit import fit

    train, val, test = train_val_test(examples, VAL_FRACTION, options.seed)
    words = {"val": model.evaluate(val)["accuracy"]}
    if test is not None:
        words["test"] = model.evaluate(test)["accuracy"]
    run = fit(
        model.model, train, val, recipe="feature_extraction", resize=model.resize,
        seed=options.seed,
    )  # fmt: skip
    notes = {
        **preset_notes(model.description["weights"], model.description["texts"]),
        "data": choices.said(options.train),
        "command": choices.said("tl-keras " + shlex.join(sys.argv[1:])),
        "evaluated_on": f"{len(val)} validation images, which also chose the best epoch",
        "skipped": [list(item) for item in examples.skipped],
        "baselines": {"The texts alone, untrained": words["val"]},
    }
    figures = {"val": run.metrics["accuracy"]} if run.metrics else {}
    if test is not None:
        notes["split"] = described_split(train, val, test)
        notes["test_metrics"] = run.evaluate(test)
        figures["test"] = notes["test_metrics"]["accuracy"]
    run.save(options.output, notes=notes)
    for part, count in (("val", len(val)), ("test", 0 if test is None else len(test))):
        if part in figures:
            print(f"On {count} {part} images:")
            print(f"  accuracy of the texts alone  {percent(words[part])}")
            print(f"  accuracy after training      {percent(figures[part])}")
    return {
        "texts_alone": words,
        "accuracy": figures,
        "skipped": notes["skipped"],
        "interrupted": run.interrupted,
    }
