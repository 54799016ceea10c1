"""``tl-keras search DIR --serve``: a page to search with."""

import argparse
import sys

from tl_keras.errors import InputError

_PORT = 8765


def add_serving(parser: argparse.ArgumentParser) -> None:
    """``--serve`` and what goes with it."""
    parser.add_argument(
        "--serve",
        action="store_true",
        help="open a page to search with: upload or pick a picture, filter, look at what is like "
        "it; until Ctrl-C",
    )
    parser.add_argument(
        "--port",
        type=int,
        metavar="N",
        help=f"with --serve: where it listens; 0 takes any that is free (default: {_PORT})",
    )
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        help="with --serve: 0.0.0.0 lets phones and others of the network in, without a password "
        "(default: 127.0.0.1, this machine alone)",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from tl_keras.cli.startup import start_keras
    from tl_keras.retrieval.catalogue import open_catalogue

    port = _PORT if options.port is None else options.port
    if not 0 <= port < 1 << 16:
        raise InputError(f"--port {port}: ports are 0 to 65535")
    catalogue = open_catalogue(options.index)
    start_keras()
    if options.model:
        from tl_keras.retrieval.embedding import open_embedder

        catalogue = open_catalogue(options.index, open_embedder(options.model))
    catalogue.check_ready()
    from tl_keras.retrieval.page import SearchServer

    with SearchServer(catalogue, options.host or "127.0.0.1", port) as server:
        print(f"{server.url}  (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended", file=sys.stderr)
    return 0
