"""What the campaign service is told by its environment."""

from shared.access import AccessSettings
from shared.broker import KafkaSettings
from shared.service import ServiceSettings


class Settings(ServiceSettings, KafkaSettings, AccessSettings):
    """DATABASE_URL, KAFKA_…, HTTP_… and OPERATORS_FILE (without one nobody is let in)."""

    http_port: int = 8102
