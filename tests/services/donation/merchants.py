"""Channels of payment companies: each is the merchant of a company that signs its notices itself."""

from typing import Any, Generic, TypeVar

from httpx import Response
from sqlalchemy import update

from services.donation.channels import queries as channel_queries
from services.donation.channels.models import channels
from services.donation.intake import donation_id_of
from shared.secret_box import SecretBox
from tests.companies import Alipay, Notice, Unionpay, Wechatpay, public_pem
from tests.services.donation.builders import new_id
from tests.services.donation.places import Service
from tests.waiting import until

Company = Wechatpay | Alipay | Unionpay
C = TypeVar("C", Wechatpay, Alipay, Unionpay)
SCHEMES: dict[type[Company], str] = {Wechatpay: "wechatpay", Alipay: "alipay", Unionpay: "unionpay"}


class Merchant(Generic[C]):
    """A channel whose notices a company sends."""

    def __init__(self, service: Service, name: str, company: C) -> None:
        self.service = service
        self.name = name
        self.topic = f"intake.{name}"
        self.company: C = company
        self.scheme = SCHEMES[type(company)]

    def at(self, service: Service) -> "Merchant[C]":
        """The same merchant, told of at another place."""
        return Merchant(service, self.name, self.company)

    async def told(self, notice: Notice | bytes) -> Response:
        """The answer to a notice."""
        sent = Notice(notice) if isinstance(notice, bytes) else notice
        path = f"/v1/channels/{self.name}/{self.scheme}"
        return await self.service.http.post(path, content=sent.body, headers=sent.headers)

    async def donation(self, transaction_id: str, *wanted: str) -> dict[str, Any]:
        """Where a payment stands, as soon as it is as wanted."""
        return await self.service.status(donation_id_of(self.name, transaction_id), *wanted)

    async def reversed_fen(self, transaction_id: str) -> int:
        """How much of a payment is booked as gone back."""
        asked = (
            "SELECT coalesce(sum(amount_fen), 0) FROM reversals"
            " WHERE donation_id = :donation_id AND status = 'applied'"
        )
        donation_id = donation_id_of(self.name, transaction_id)
        return int(await self.service.place.value(asked, donation_id=donation_id))

    async def until_reversed(self, transaction_id: str, amount_fen: int) -> None:
        """Return when exactly so much is booked as gone back."""

        async def look() -> bool:
            return await self.reversed_fen(transaction_id) == amount_fen

        await until(look)

    async def donations(self) -> list[tuple[Any, ...]]:
        """The donations booked of this channel: transaction_id, amount_fen."""
        asked = "SELECT transaction_id, amount_fen FROM donations WHERE channel = :channel ORDER BY 1"
        return await self.service.place.rows(asked, channel=self.name)

    async def conflicts(self, transaction_id: str) -> list[int]:
        """The amounts that were told of a payment in contradiction to the first."""
        asked = "SELECT amount_fen FROM conflicts WHERE donation_id = :donation_id ORDER BY sequence"
        donation_id = donation_id_of(self.name, transaction_id)
        return [row[0] for row in await self.service.place.rows(asked, donation_id=donation_id)]

    async def on_the_log(self) -> int:
        return len(await self.service.place.batch(self.topic))

    async def set(self, **values: Any) -> None:
        """Change the channel's row, and have the service read it."""
        async with self.service.place.engine.begin() as connection:
            await connection.execute(update(channels).where(channels.c.channel == self.name).values(**values))
        await reread(self.service)


async def merchant(service: Service, company: C, campaign_id: str, **settings: Any) -> Merchant[C]:
    """A channel of a company. Its topic was there before the service started, so that it is read at once."""
    name = (await service.place.channel()).removeprefix("intake.")
    made: Merchant[C] = Merchant(service, name, company)
    row = {
        "channel": name,
        "title": "测试",
        "scheme": made.scheme,
        "settings": company.settings(campaign_id=campaign_id, **settings),
        "state": "active",
        "limit_per_second": 20_000,
    }
    async with service.place.engine.begin() as connection:
        await channel_queries.add_channel(connection, row)
    for purpose, key_id, secret in keys_of(company):
        await add_key(service, name, purpose, key_id, secret)
    await reread(service)
    return made


def keys_of(company: Company) -> list[tuple[str, str, str]]:
    if isinstance(company, Wechatpay):
        return [("platform", company.serial, public_pem(company.key)), ("apiv3", "1", company.apiv3)]
    if isinstance(company, Alipay):
        return [("platform", "1", public_pem(company.key))]
    return [("platform", str(number), each) for number, each in enumerate(company.trusted)]


async def add_key(service: Service, channel: str, purpose: str, key_id: str, secret: str) -> None:
    box = SecretBox(service.place.settings.channel_key.get_secret_value())
    key = {"channel": channel, "purpose": purpose, "key_id": key_id, "sealed": box.seal(channel, secret)}
    async with service.place.engine.begin() as connection:
        await channel_queries.add_key(connection, key)


async def reread(service: Service) -> None:
    """Have the service read its channels: it does when it is asked for one it does not know, at most once a
    second; until then this one is not there.
    """
    name = new_id("seen")
    async with service.place.engine.begin() as connection:
        row = {"channel": name, "title": "测试", "state": "active", "limit_per_second": 1, "scheme": "alipay"}
        await channel_queries.add_channel(connection, row)

    async def look() -> bool:
        answer = await service.http.post(f"/v1/channels/{name}/alipay", content=b"a=1")
        return answer.status_code != 404

    await until(look)
