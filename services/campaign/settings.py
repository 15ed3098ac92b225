"""What the campaign service is told by its environment."""

from pathlib import Path

from shared.broker import KafkaSettings
from shared.service import ServiceSettings


class Settings(ServiceSettings, KafkaSettings):
    """DATABASE_URL, KAFKA_…, HTTP_… and OPERATORS_FILE (without one nobody is let in)."""

    operators_file: Path | None = None
    http_port: int = 8102
