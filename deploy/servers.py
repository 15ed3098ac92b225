"""The broker and the database of one service, as a command finds them: named by the environment, or of the
stack that runs here.
"""

from typing import Any, Final

from deploy.given import given
from deploy.local.databases import parse_url
from deploy.local.external import named_kafka, namespace
from deploy.local.problems import StackProblem
from deploy.local.running import Running
from shared.broker import KafkaSettings

PLAIN: Final[dict[str, Any]] = {"kafka_security_protocol": "PLAINTEXT"}
"""The broker that we have started asks nobody who he is, whatever the environment says of another one: the
variables that a channel is given (docs/channels/) may be set in the same shell.
"""


def servers_of(service: str) -> tuple[KafkaSettings, str]:
    """Broker and database URL: those that KAFKA_BOOTSTRAP_SERVERS, KAFKA_NAMESPACE and <SERVICE>_DATABASE_URL
    name, else those of the stack that runs here. Raises StackProblem when there is neither.
    """
    variable = f"{service.upper()}_DATABASE_URL"
    url = given(variable)
    if url is None:
        stack = Running.find()
        own = PLAIN if stack.kafka_is_ours else {}
        settings = KafkaSettings(kafka_bootstrap_servers=stack.kafka, kafka_namespace=stack.namespace, **own)
        return settings, stack.databases[service]
    if (servers := named_kafka()) is None:
        raise StackProblem(f"{variable} is set, but not KAFKA_BOOTSTRAP_SERVERS.")
    return KafkaSettings(kafka_bootstrap_servers=servers, kafka_namespace=namespace()), (
        parse_url(url).render_as_string(hide_password=False)
    )
