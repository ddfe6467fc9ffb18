"""A story for each form of query: what it reaches is changed, and the client asks by it elsewhere."""

from __future__ import annotations

from tests.pinning.stage import Stage

__all__ = ["CHANGES", "tell"]

RENAME, TAG, DELETE = "/rename/{author}/{new}/", "/tag/{book}/{tag}/", "/delete-author/{author}/"

CHANGES: dict[str, tuple[str, object]] = {
    "get": (RENAME, "{new}"),
    "lazy foreign key": (RENAME, "{new}"),
    "prefetch": (RENAME, "{new}"),
    "select_related": (RENAME, "{new}"),
    "filter over a join": (RENAME, 1),
    "values over a join": (RENAME, "{new}"),
    "in a subquery": (RENAME, 1),
    "annotated subquery": (RENAME, "{new}"),
    "raw join": (RENAME, "{new}"),
    "iterator": (RENAME, "{new}"),
    "many to many": (TAG, 1),
    "count after a cascade": (DELETE, 0),
}
"""What is done before a form of ``tests.pinning.forms`` is asked, and what it must see then."""


def tell(stage: Stage, form: str) -> str:
    """Play it with replay paused; returns "fresh", or what was seen instead."""
    name = stage.title()
    author, book = stage.one.run("make_author", f"old-{name}")
    names = {"author": author, "book": book, "tag": stage.one.run("make_tag", name)}
    names["new"] = f"new-{name}"
    stage.resume()
    stage.pause()
    change, expected = CHANGES[form]
    assert stage.browser.post(stage.one, change.format(**names)).status == 200
    pk = book if change == TAG else author
    seen = stage.browser.get(stage.two, f"/form/{form}/{pk}/").json["seen"]
    wanted = expected.format(**names) if isinstance(expected, str) else expected
    return "fresh" if seen == wanted else f"stale: {seen!r}"
