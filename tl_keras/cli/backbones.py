"""``tl-keras backbones``: what there is to choose from."""

import argparse

from tl_keras.cli.options import add_json, print_json

_EXAMPLES = """\
examples:
  tl-keras backbones
  tl-keras backbones --max-parameters 5e6
  tl-keras backbones --family EfficientNetV2 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "List the base networks: parameters, size, CPU latency as measured, and what each is for."
    )
    parser.epilog = _EXAMPLES
    parser.add_argument("--max-parameters", type=float, metavar="N", help="at most so many")
    parser.add_argument("--family", help="only this family, such as ResNetV2")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print the table."""
    from tl_keras.backbones.table import backbone_table

    rows = backbone_table(max_parameters=options.max_parameters, family=options.family)
    if options.json:
        print_json({"backbones": rows})
        return 0
    print(f"{'name':<22} {'parameters':>11} {'MB':>6} {'px':>4} {'CPU ms':>7}  weights   use")
    for row in rows:
        # A backbone that the user registered was never measured.
        parameters, megabytes, latency = (
            "-" if row[key] is None else format(row[key], form)
            for key, form in (("parameters", ",d"), ("size_mb", ".1f"), ("latency_ms", ".1f"))
        )
        print(
            f"{row['name']:<22} {parameters:>11} {megabytes:>6} {row['image_size']:>4} "
            f"{latency:>7}  {'+'.join(row['weights']):<9} {row['use']}"
        )
    return 0
