"""What can be wrong with a database's replicas."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register as register_check
from django.core.exceptions import ImproperlyConfigured

from nothing_shared.causality.conf import causality_settings
from nothing_shared.checks import TAG, settings_errors
from nothing_shared.conf import InvalidSetting
from nothing_shared.pinning.conf import SETTING, PinningSettings, ReplicaSettings, replicas_of

__all__ = ["CHECKS", "register"]

CHECKS = {
    "nothing_shared_pinning.E001": f"`{SETTING}` has an unknown key or a bad value.",
    "nothing_shared_pinning.E002": "An entry of `REPLICAS` has an unknown key or a bad value.",
    "nothing_shared_pinning.E003": "`REPLICAS` are given to an `ENGINE` that knows nothing of them.",
    "nothing_shared_pinning.E004": "A replica is where the primary is.",
    "nothing_shared_pinning.W001": "Replicas are never read: nothing tells what a client has written.",
    "nothing_shared_pinning.W002": "`ATOMIC_REQUESTS` sends all reads of requests to the primary.",
    "nothing_shared_pinning.W003": "Every request connects anew, and asks each replica how far it is.",
    "nothing_shared_pinning.W004": "All replicas have the weight 0.",
}

ENGINE = "nothing_shared.pinning.postgresql"
MIDDLEWARE = "nothing_shared.causality.middleware.CausalityMiddleware"


def databases() -> dict[str, dict[str, Any]]:
    return {alias: one for alias, one in settings.DATABASES.items() if "REPLICAS" in one}


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    return list(settings_errors(SETTING, PinningSettings, id="nothing_shared_pinning.E001"))


def check_replicas(**kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for alias, database in databases().items():
        hint = f'DATABASES["{alias}"]["REPLICAS"] = [{{"HOST": "…", "PORT": "5432", "WEIGHT": 1}}]'
        try:
            replicas = replicas_of(alias, database["REPLICAS"])
        except InvalidSetting as failure:
            found.append(Error(str(failure), hint=hint, id="nothing_shared_pinning.E002"))
            continue
        found += _check_places(alias, database, replicas)
        if replicas and not any(replica.weight for replica in replicas):
            text = f"All replicas of {alias!r} have the weight 0: none of them is ever read."
            found.append(Warning(text, hint=hint, id="nothing_shared_pinning.W004"))
    return found


def _check_places(
    alias: str, database: dict[str, Any], replicas: tuple[ReplicaSettings, ...]
) -> list[CheckMessage]:
    at_home = (database.get("HOST") or "", str(database.get("PORT") or ""))
    return [
        Error(
            f'DATABASES["{alias}"]["REPLICAS"][{number}] has the HOST and PORT of the primary.',
            hint="Name the replica's own address, or leave the entry out.",
            id="nothing_shared_pinning.E004",
        )
        for number, one in enumerate(replicas)
        if not one.options
        and (one.host if one.host is not None else at_home[0], _port(one, at_home[1])) == at_home
    ]


def _port(replica: ReplicaSettings, inherited: str) -> str:
    return inherited if replica.port is None else str(replica.port)


def check_engines(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f'DATABASES["{alias}"] has REPLICAS, and the ENGINE {database.get("ENGINE")!r} reads from none.',
            hint=f'DATABASES["{alias}"]["ENGINE"] = "{ENGINE}"',
            id="nothing_shared_pinning.E003",
        )
        for alias, database in databases().items()
        if not _knows_replicas(alias)
    ]


def _knows_replicas(alias: str) -> bool:
    from django.db import connections

    try:
        return hasattr(connections[alias], "has_replicas")
    except ImproperlyConfigured:  # which says so itself
        return True


def check_clients(**kwargs: Any) -> list[CheckMessage]:
    if not databases():
        return []
    if MIDDLEWARE in settings.MIDDLEWARE and causality_settings().tickets:
        return []
    text = "Replicas are never read in requests: nothing tells what a client has written."
    hint = f'MIDDLEWARE = ["{MIDDLEWARE}", …], and no "TICKETS": False'
    return [Warning(text, hint=hint, id="nothing_shared_pinning.W001")]


def check_connections(**kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for alias, database in databases().items():
        if database.get("ATOMIC_REQUESTS"):
            text = (
                f"ATOMIC_REQUESTS of {alias!r} runs every request in a transaction, on the primary."
            )
            hint = "Decorate the views that need it with transaction.atomic instead."
            found.append(Warning(text, hint=hint, id="nothing_shared_pinning.W002"))
        is_pooled = (database.get("OPTIONS") or {}).get("pool")
        if database.get("CONN_MAX_AGE") == 0 and not is_pooled:
            text = (
                f"CONN_MAX_AGE of {alias!r} is 0: each request connects anew, and checks that anew."
            )
            hint = f'DATABASES["{alias}"]["CONN_MAX_AGE"] = None, or OPTIONS = {{"pool": True}}'
            found.append(Warning(text, hint=hint, id="nothing_shared_pinning.W003"))
    return found


def register() -> None:
    for check in (check_settings, check_replicas, check_engines, check_clients):
        register_check(check, TAG)
    register_check(check_connections, TAG, deploy=True)
