"""Which text a donor gets: their language, then their campaign's own, then Chinese; never a retired one."""

import pytest

from services.notification.couriers.ways import Way
from services.notification.letters.contents import Language, SmsContent
from services.notification.letters.keeping import Place, current, write
from tests.services.notification.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def put(
    world: World, name: str, campaign_id: str, language: Language, *, retired: bool = False
) -> None:
    """The next version of a template, known by its provider's id."""
    place = Place(campaign_id, language, SmsContent(way="sms", template_id=name))
    async with world.engine.begin() as connection:
        await write(connection, place, based_on=int(retired), retired=retired, person="li")


async def chosen(world: World, language: Language, campaign_id: str = "gala") -> str | None:
    """What is sent to a donor of this language; the templates here are named by their own."""
    async with world.engine.connect() as connection:
        found = await current(connection, Way.SMS, campaign_id=campaign_id, language=language, app_id="")
    if found is None:
        return None
    assert isinstance(found.content, SmsContent)
    assert found.content.template_id.endswith(f"-{found.language}"), "filled in in another language"
    return found.content.template_id


async def test_the_nearest_text_is_chosen(apart: World) -> None:
    assert await chosen(apart, "en") is None
    await put(apart, "all-zh", "", "zh")
    assert (await chosen(apart, "zh"), await chosen(apart, "en")) == ("all-zh", "all-zh")
    await put(apart, "gala-zh", "gala", "zh")
    assert (await chosen(apart, "zh"), await chosen(apart, "en")) == ("gala-zh", "gala-zh")
    assert await chosen(apart, "zh", "drive") == "all-zh", "another campaign's text is not its own"
    await put(apart, "all-en", "", "en")
    assert (await chosen(apart, "zh"), await chosen(apart, "en")) == ("gala-zh", "all-en")
    await put(apart, "gala-en", "gala", "en")
    assert (await chosen(apart, "zh"), await chosen(apart, "en")) == ("gala-zh", "gala-en")
    await put(apart, "gala-en", "gala", "en", retired=True)
    await put(apart, "gala-zh", "gala", "zh", retired=True)
    assert (await chosen(apart, "zh"), await chosen(apart, "en")) == ("all-zh", "all-en")
