"""Show the built book at an address of this computer: make serve, or make serve PORT=8001."""

import argparse
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tooling.environment import end_when_interrupted

BOOK = Path(__file__).resolve().parents[2] / "_build" / "html"


def main():
    """Serve until Ctrl-C."""
    end_when_interrupted("The book is no longer served.")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", help="from 1 to 65535")
    port = parser.parse_args().port
    try:
        server = ThreadingHTTPServer(
            ("localhost", int(port)), partial(SimpleHTTPRequestHandler, directory=BOOK)
        )
    except (OSError, OverflowError, ValueError) as error:
        sys.exit(f"PORT={port} cannot be used ({error}): give another, such as make serve PORT=8001.")
    print(f"The book is at http://localhost:{server.server_port} until you press Ctrl-C.", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
