"""The health check of the connector's container: 0 while calls are decided, 1 while not, with the reason."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

URL = "http://127.0.0.1:8080/health"


def main() -> int:
    """Ask the connector's web server."""
    try:
        with urllib.request.urlopen(URL, timeout=4) as answer:
            said, status = answer.read(), 0
    except urllib.error.HTTPError as error:
        said, status = error.read(), 1
    except OSError as error:
        said, status = str(error).encode(), 1
    sys.stdout.write(said.decode(errors="replace") + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
