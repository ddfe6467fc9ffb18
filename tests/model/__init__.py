"""A pure model of change table, fills, leases, intents and tickets, with an oracle and mutants."""
