"""A watched folder: what stands still is taken, checked, and put away with a report."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.donation.accepting import Acceptance
from services.donation.channels.directory import Directory
from services.donation.channels.sandbox import Sandbox
from services.donation.statements.files import Files
from services.donation.statements.folder import Folder
from services.donation.statements.importing import Clerk
from shared.broker import INTAKE_PREFIX
from shared.gathering import Gatherer
from shared.secret_box import SecretBox
from tests.services.donation.places import Place
from tests.services.donation.test_statements import a_file, a_line, sends_files

pytestmark = pytest.mark.asyncio(loop_scope="package")


class Watched:
    """A folder with one channel's in it, looked at by hand."""

    def __init__(self, place: Place, root: Path, folder: Folder, clerk: Clerk) -> None:
        self.place = place
        self.root = root
        self.folder = folder
        self.clerk = clerk

    async def channel(self, **profile: Any) -> tuple[Path, str]:
        topic = await self.place.channel()
        name = topic.removeprefix(INTAKE_PREFIX)
        await sends_files(self.place, name, **profile)
        (self.root / name).mkdir()
        return self.root / name, topic

    async def looked(self, times: int = 2) -> None:
        for _ in range(times):
            await self.folder.look()

    async def worked(self) -> None:
        while await self.clerk.work():
            pass


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


@asynccontextmanager
async def watching(place: Place, root: Path) -> AsyncIterator[Watched]:
    box = SecretBox(place.settings.channel_key.get_secret_value())
    files = Files(place.engine, box)
    async with Gatherer(place.publisher, place.settings.partitions, 0) as gatherer:
        directory = Directory(place.engine, box)
        clerk = Clerk(place.engine, files, directory, Acceptance(gatherer, Sandbox(place.engine), 5_000))
        yield Watched(place, root, Folder(root, place.engine, files, clerk), clerk)


def report_of(folder: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((folder / f"{name}.report.json").read_text("utf-8")))


async def test_a_file_is_taken_when_it_has_stopped_growing(place: Place, root: Path) -> None:
    async with watching(place, root) as watched:
        folder, topic = await watched.channel()
        content = a_file([a_line(), a_line(金额="x")])
        path = folder / "20270105.csv"
        path.write_bytes(content[:50])
        await watched.looked(1)
        path.write_bytes(content)
        await watched.looked(1)
        count = "SELECT count(*) FROM statements WHERE channel = :c"
        assert await place.value(count, c=folder.name) == 0, "it has grown since"
        await watched.looked(1)
        assert await place.value(count, c=folder.name) == 1
        await watched.worked()
        await watched.looked(1)
        assert sorted(each.name for each in folder.iterdir()) == ["done"]
        report = report_of(folder / "done", path.name)
        assert (report["state"], report["preview"]["bad"], report["uploaded_by"]) == ("checked", 1, "folder")
        assert (folder / "done" / path.name).read_bytes() == content
        bad_lines = (folder / "done" / f"{path.name}.bad-lines.csv").read_bytes()
        assert "is not an amount" in bad_lines.decode("utf-8-sig")
        assert await place.batch(topic) == (), "a person confirms"


async def test_a_profile_may_confirm_what_has_no_bad_line_and_no_warning(place: Place, root: Path) -> None:
    async with watching(place, root) as watched:
        folder, topic = await watched.channel(auto_confirm=True)
        campaign_id = await place.campaign()
        (folder / "good.csv").write_bytes(a_file([a_line(项目=campaign_id)]))
        (folder / "bad.csv").write_bytes(a_file([a_line(项目=campaign_id), a_line(金额="x")]))
        (folder / "warned.csv").write_bytes(a_file([a_line(项目="nobody-knows-it")]))
        await watched.looked()
        await watched.worked()
        await watched.looked(1)
    states = "SELECT file_name, state FROM statements WHERE channel = :c ORDER BY file_name"
    assert await place.rows(states, c=folder.name) == [
        ("bad.csv", "checked"),
        ("good.csv", "imported"),
        ("warned.csv", "checked"),
    ]
    assert len(await place.batch(topic)) == 1


async def test_the_same_file_again_is_put_away_and_counts_once(place: Place, root: Path) -> None:
    async with watching(place, root) as watched:
        folder, _ = await watched.channel()
        content = a_file([a_line()])
        for _ in range(2):
            (folder / "a.csv").write_bytes(content)
            await watched.looked()
            await watched.worked()
            await watched.looked(1)
    names = sorted(each.name for each in (folder / "done").iterdir())
    assert names == ["a-2.csv", "a-2.csv.report.json", "a.csv", "a.csv.report.json"]
    assert await place.value("SELECT count(*) FROM statements WHERE channel = :c", c=folder.name) == 1


async def test_what_can_not_be_taken_is_refused_with_the_reason(place: Place, root: Path) -> None:
    async with watching(place, root) as watched:
        folder, _ = await watched.channel()
        stranger = root / "nobody"
        stranger.mkdir()
        (folder / "broken.xlsx").write_bytes(b"PK\x03\x04")
        (stranger / "a.csv").write_bytes(a_file([a_line()]))
        await watched.looked()
        await watched.worked()
        await watched.looked(1)
    assert report_of(folder / "refused", "broken.xlsx")["reason"].startswith("The file is not a workbook")
    assert report_of(stranger / "refused", "a.csv") == {"state": "refused", "reason": "No such channel."}


async def test_what_is_unfinished_or_a_link_is_left_alone(place: Place, root: Path) -> None:
    async with watching(place, root) as watched:
        folder, _ = await watched.channel()
        (folder / "a.csv.part").write_bytes(b"x")
        (folder / ".hidden").write_bytes(b"x")
        (folder / "link.csv").symlink_to(folder / ".hidden")
        await watched.looked(3)
        assert sorted(each.name for each in folder.iterdir()) == [".hidden", "a.csv.part", "link.csv"]
        (folder / "a.csv.part").rename(folder / "a.csv")
        await watched.looked()
        assert await place.value("SELECT count(*) FROM statements WHERE channel = :c", c=folder.name) == 1
        await watched.worked()
