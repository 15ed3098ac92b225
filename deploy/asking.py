"""Which service a command asks, and as whom: the options of the commands that ask one, and its client."""

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from deploy.service_client import ServiceClient


def address_of(service: str) -> Any:
    """The option that names the address of a service."""
    return typer.Option(
        envvar=f"{service.upper()}_URL", help=f"The {service} service; the local one without."
    )


def token_of(person: str) -> Any:
    """The option with the token of the person who may do it."""
    return typer.Option(envvar="OPERATOR_TOKEN", help=f"{person}'s; the local stack's without it.")


def service(context: typer.Context, name: str, role: str) -> "ServiceClient":
    """The client of a service, where and as whom the command's group was told. Raises StackProblem."""
    from deploy.service_client import ServiceClient  # noqa: PLC0415 - needs the services' libraries

    return ServiceClient.find(name, role, *context.obj)
