"""``"ENGINE": "nothing_shared.pinning.postgresql"``: Django's PostgreSQL backend, with replicas."""
