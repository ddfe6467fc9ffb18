"""A small ticketing site on three nodes of one machine: ``python -m demo_site``."""
