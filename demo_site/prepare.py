"""Bring the database up to date, and fill it with the example data if it is empty."""

from __future__ import annotations

import os
import sys
from random import Random

import django
from django.core.management import call_command

from .lifeline import end_with


def main(parent: int) -> None:
    end_with(parent)
    os.environ["DJANGO_SETTINGS_MODULE"] = "demo_site.settings"
    django.setup()
    from . import examples
    from .models import Event

    call_command("migrate", verbosity=0)
    if not Event.objects.exists():
        print("First start: drawing twelve posters and selling some tickets …", flush=True)
        examples.create(Random(12))


if __name__ == "__main__":
    main(int(sys.argv[1]))
