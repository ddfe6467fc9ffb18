"""Whatever Django's ORM sends, the footprint covers what the database says that it touched."""

from __future__ import annotations

import pytest

from tests.causality.databases import Database, Heard
from tests.causality.forms import FORMS, Form, Shop


@pytest.mark.parametrize("name", FORMS)
def test_an_orm_query_touches_no_table_outside_its_footprint(name: str, shop: Database) -> None:
    content, form = Shop(shop.alias), FORMS[name]
    statements = statements_of(shop, form, content)
    for heard in statements:
        assert_covers(heard, shop)
        if not has_trigger(heard, shop):
            assert not heard.touched.reads_unknown, heard.sql
            assert not heard.touched.writes_unknown, heard.sql
    if name.startswith("reading"):
        assert not any(heard.touched.is_write for heard in statements)


def statements_of(shop: Database, form: Form, content: Shop) -> list[Heard]:
    with shop.heard() as statements:
        form(content)
    return statements


def assert_covers(heard: Heard, shop: Database) -> None:
    touched, written = heard.touched, heard.written
    reads = touched.reads | touched.read_rows.keys()
    writes = touched.writes | touched.written_rows.keys() | {touched.inserts}
    if not touched.writes_unknown:
        assert written <= writes, heard.sql
    if not touched.reads_unknown:
        assert heard.read - checked_keys(heard, shop) <= reads, heard.sql


def has_trigger(heard: Heard, shop: Database) -> bool:
    """Say whether it writes the table whose trigger PostgreSQL says nothing about."""
    return shop.vendor == "postgresql" and "shop_country" in heard.touched.writes


def checked_keys(heard: Heard, shop: Database) -> set[str]:
    """Return what SQLite only reads to check foreign keys, and the target of an INSERT."""
    if shop.vendor != "sqlite" or not heard.written:
        return set()
    neighbours = [key for key in shop.foreign_keys if not heard.written.isdisjoint(key)]
    return {table for key in neighbours for table in key} | heard.written
