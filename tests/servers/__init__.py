"""Real servers for tests: started on free loopback ports, and never skipped."""

from __future__ import annotations

from tests.servers.nats import NATSServer, nats
from tests.servers.pgbouncer import PgBouncerServer, pgbouncer
from tests.servers.postgres import PostgreSQLServer, postgresql
from tests.servers.proxy import Proxy, proxied
from tests.servers.rabbitmq import RabbitMQServer, rabbitmq
from tests.servers.redis import RedisServer, redis
from tests.servers.replicas import ReplicaServer, Replication, replicated
from tests.servers.running import Server, free_port
from tests.servers.s3 import S3Server, s3

__all__ = [
    "NATSServer",
    "PgBouncerServer",
    "PostgreSQLServer",
    "Proxy",
    "RabbitMQServer",
    "RedisServer",
    "ReplicaServer",
    "Replication",
    "S3Server",
    "Server",
    "free_port",
    "nats",
    "pgbouncer",
    "postgresql",
    "proxied",
    "rabbitmq",
    "redis",
    "replicated",
    "s3",
]
