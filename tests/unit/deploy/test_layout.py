"""Ports and folders of a local stack."""

import socket
from contextlib import closing
from pathlib import Path

import pytest

from deploy.local import layout
from deploy.local.layout import LOOPBACK, Home, Ports
from deploy.local.problems import StackProblem


@pytest.fixture
def taken_port() -> object:
    with closing(socket.create_server((LOOPBACK, 0))) as server:
        yield server.getsockname()[1]


def test_all_ports_follow_from_one_number() -> None:
    ports = Ports.from_base(9100)
    assert (ports.donation, ports.reporting, ports.kafka, ports.postgres) == (9101, 9104, 9192, 9154)
    assert len(set(ports.named().values())) == len(ports.named())


@pytest.mark.parametrize("text", ["http", "-1", "80", "70000", ""])
def test_an_unusable_port_base_is_told_in_one_line(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHANLIU_PORT_BASE", text)
    with pytest.raises(StackProblem, match="SHANLIU_PORT_BASE"):
        Ports.from_environment()


def test_a_busy_port_is_told_with_a_way_out(taken_port: int) -> None:
    with pytest.raises(
        StackProblem, match=rf"Port {taken_port} \(kafka controller\) is in use.*SHANLIU_PORT_BASE="
    ):
        layout.require_free({"kafka_controller": taken_port})


def test_unused_ports_are_different_and_free() -> None:
    ports = layout.unused_ports(20)
    assert len(set(ports)) == 20
    assert all(layout.is_free(port) for port in ports)


def test_too_little_disk_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StackProblem, match=r"GB free where .* lies"):
        layout.require_disk(tmp_path, needed_bytes=1 << 60)


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackProblem, match="SHANLIU_HOME"):
        Home(tmp_path / "file" / "home").prepare()
