"""PostgreSQL with streaming replicas, and the ways in which replicas fail."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.postgres import PostgreSQLServer, install, run
from tests.servers.running import running
from tests.wait import wait_until

__all__ = ["ReplicaServer", "Replication", "replicated"]

OPTIONS = (
    "-csynchronous_commit=on",  # as in production: else replicas lag for no reason
    "-cwal_keep_size=512MB",
    "-cwal_retrieve_retry_interval=50ms",
    "-cbgwriter_lru_maxpages=0",  # what is on a replica's disk shall be its last restart point
)

APPLICATION = "site"
"""A plain role, as a site has it: no superuser, no ``pg_monitor``."""

PATIENCE = 60.0


@dataclass(eq=False)
class ReplicaServer(PostgreSQLServer):
    """A standby that streams from another server, until it is told not to."""

    name = "PostgreSQL replica"
    stops_at = signal.SIGQUIT  # "immediate": it has nothing of its own to lose

    source: PostgreSQLServer | None = None

    def prepare(self) -> None:
        """Copy the server that it is to follow, which is running."""
        assert self.source is not None
        self.programs = install(self.home, self.source.programs)
        run(self.programs / "pg_basebackup", "-D", self.data, "-d", self.source.url, "-R",
            "-X", "stream", "-c", "fast", "--no-sync")  # fmt: skip

    def pause(self) -> None:
        """Stop to replay; what comes in is kept. Returns when no record is being replayed.

        A replica that lags stops after the commit that it holds back.
        """
        self.ask("SELECT pg_wal_replay_pause()")
        lags = "current_setting('recovery_min_apply_delay') <> '0'"
        stopped = f"SELECT pg_get_wal_replay_pause_state() = 'paused' OR {lags}"
        wait_until(lambda: self.ask(stopped), PATIENCE, what="the pause")

    def resume(self) -> None:
        """Go on to replay."""
        self.ask("SELECT pg_wal_replay_resume()")

    def lag(self, milliseconds: int) -> None:
        """Replay each commit so much later than it was made; 0 ends that."""
        self._set("recovery_min_apply_delay", str(milliseconds))

    def detach(self) -> None:
        """Lose the server that it follows; returns when nothing more comes in."""
        self._set("primary_conninfo", "")
        receiver = self.ask("SELECT pid FROM pg_stat_wal_receiver")
        if receiver is not None:  # which nobody ends while replay is paused
            with suppress(ProcessLookupError):
                os.kill(receiver, signal.SIGTERM)
        receivers = "SELECT count(*) FROM pg_stat_wal_receiver"
        wait_until(lambda: not self.ask(receivers), PATIENCE, what="the end of streaming")

    def attach(self) -> None:
        """Follow its source again, as soon as it has replayed what it has."""
        assert self.source is not None
        address = f"host=127.0.0.1 port={self.source.port} user={self.source.user}"
        self._set("primary_conninfo", address)

    def follow(self, source: PostgreSQLServer) -> None:
        """Follow another server of the same history, such as a replica that was promoted."""
        self.source = source
        self.attach()

    def promote(self) -> None:
        """Become a primary, on a timeline of its own; returns when it takes writes."""
        assert self.ask("SELECT pg_promote(true, 60)")

    def crash(self) -> None:
        """Lose everything but what is on the disk, and come back: an "immediate" shutdown."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(PATIENCE)
        self.process = None
        self.start()

    def rewind(self) -> None:
        """Crash, and come back showing less than before; ``lag(0)`` lets it go on.

        Replay begins again at the last restart point, and waits there before the first commit.
        Where that is can be said by ``Replication.restart_from_here`` alone.
        """
        self.lag(3_600_000)
        self.crash()

    def rebuild(self, source: PostgreSQLServer) -> None:
        """Throw its data away and copy a server anew, under the same address."""
        self.source = source
        self.stop()
        shutil.rmtree(self.data)
        self.prepare()
        self.start()

    def has_replayed(self, position: str) -> bool:
        """Tell whether it shows what was committed before the source's log got to there."""
        return bool(self.ask("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", position))

    def _set(self, name: str, value: str) -> None:
        self.ask(f"ALTER SYSTEM SET {name} = '{value}'")
        self.ask("SELECT pg_reload_conf()")
        shown = f"SELECT setting FROM pg_settings WHERE name = '{name}'"
        wait_until(lambda: self.ask(shown) == value, PATIENCE, what=name)


@dataclass(eq=False)
class Replication:
    """A primary and the replicas that follow it."""

    primary: PostgreSQLServer
    replicas: list[ReplicaServer] = field(default_factory=list)

    def settings(
        self, name: str = "postgres", *, user: str = "postgres", **more: Any
    ) -> dict[str, Any]:
        """Return what reaches them under one alias, for ``DATABASES``."""
        places = [{"HOST": "127.0.0.1", "PORT": str(replica.port)} for replica in self.replicas]
        engine = {"ENGINE": "nothing_shared.pinning.postgresql", "REPLICAS": places}
        return {**self.primary.settings(name), "USER": user, **engine, **more}

    def wait_until_caught_up(self, *replicas: ReplicaServer) -> None:
        """Wait until replicas show all that is committed; all of them where none is named."""
        # A commit of its own: what others have put into the log and not written yet goes out with it.
        self.primary.ask("SELECT pg_logical_emit_message(true, '', '')")
        position = self.primary.ask("SELECT pg_current_wal_flush_lsn()::text")
        for replica in replicas or self.replicas:
            wait_until(lambda r=replica: r.has_replayed(position), PATIENCE, what="replay")  # type: ignore[misc]

    def restart_from_here(self) -> None:
        """Let replicas begin with what there is now when they crash."""
        self.primary.ask("CHECKPOINT")
        self.wait_until_caught_up()
        for replica in self.replicas:
            replica.ask("CHECKPOINT")

    def heal(self) -> None:
        """Undo all faults of replicas that still follow the primary, and wait for them."""
        for replica in self.replicas:
            if replica.process is None:
                replica.start()
            replica.thaw()
            replica.lag(0)
            replica.resume()
            replica.attach()
        self.wait_until_caught_up()


@contextmanager
def replicated(
    *arguments: str, replicas: int = 2, programs: Path | None = None
) -> Iterator[Replication]:
    """Run a primary with replicas, all empty but for the role ``site``; gone after the block.

    ``arguments`` are the primary's and the replicas' own, as ``"-chot_standby_feedback=on"``.
    """
    options = (*OPTIONS, *arguments)
    with ExitStack() as stack:
        primary = PostgreSQLServer(arguments=options, programs=programs)
        found = Replication(stack.enter_context(running(primary)))
        primary.ask(f"CREATE ROLE {APPLICATION} LOGIN CREATEDB")
        for _ in range(replicas):
            replica = ReplicaServer(arguments=options, source=primary)
            found.replicas.append(stack.enter_context(running(replica)))
        yield found
