"""Start a primary with a replica as an ordinary user: ``python -m tests.servers.as_ordinary_user``.

Root begins, since it alone can read the installation that tests run from where that is its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.servers.postgres import install
from tests.servers.replicas import replicated
from tests.servers.running import NOBODY

__all__: list[str] = []


def main() -> None:
    home = Path(sys.argv[1])
    programs = install(home)
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    tempfile.tempdir = str(home)
    with replicated(replicas=1, programs=programs) as servers:
        servers.primary.ask("CREATE TABLE written ()")
        servers.wait_until_caught_up()
        found = servers.replicas[0].ask("SELECT to_regclass('written')::text")
        print(os.getuid(), found)


if __name__ == "__main__":
    main()
