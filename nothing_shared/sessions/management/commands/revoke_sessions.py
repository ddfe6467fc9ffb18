"""``manage.py revoke_sessions``: sign users out on every node."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from nothing_shared.sessions.revoking import revoke_everyone, revoke_sessions


class Command(BaseCommand):
    help = "End all sessions of some users, or of everyone who is signed in, on every node."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="*", help="As one signs in with it.")
        parser.add_argument("--everyone", action="store_true", help="All sessions of all users.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["everyone"] == bool(options["username"]):
            raise CommandError("Name the users to sign out, or say --everyone.")
        if options["everyone"]:
            revoke_everyone()
            self.stdout.write("Everyone is signed out.")
        for user in [self._user(name) for name in options["username"]]:
            revoke_sessions(user)
            self.stdout.write(f"{user.get_username()} is signed out.")

    def _user(self, name: str) -> Any:
        users: Any = get_user_model()._default_manager
        try:
            return users.get_by_natural_key(name)
        except get_user_model().DoesNotExist:
            raise CommandError(f"There is no user {name!r}.") from None
