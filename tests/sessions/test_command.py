from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from tests.sessions.browser import Browser
from tests.sessions.test_life import user


def said(*words: str) -> str:
    out = StringIO()
    call_command("revoke_sessions", *words, stdout=out)
    return out.getvalue()


def test_a_named_user_is_signed_out_and_nobody_else(site: Any, ada: User) -> None:
    User.objects.create(username="ben")
    adas, bens = Browser(), Browser()
    adas.post("/in/", user="ada")
    bens.post("/in/", user="ben")
    assert said("ada") == "ada is signed out.\n"
    assert (user(adas), user(bens)) == ("", "ben")
    assert said("--everyone") == "Everyone is signed out.\n"
    assert user(bens) == ""
    bens.post("/in/", user="ben")
    assert user(bens) == "ben"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Name the users to sign out, or say --everyone"),
        (["ada", "--everyone"], "Name the users to sign out, or say --everyone"),
        (["nobody"], "There is no user 'nobody'"),
    ],
)
def test_a_mistake_signs_nobody_out(db: None, words: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        said(*words)
