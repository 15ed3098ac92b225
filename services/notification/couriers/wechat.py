"""Template and subscription messages of WeChat service accounts (公众号), and the access token they need.

https://developers.weixin.qq.com/doc/service/api/: getStableAccessToken, sendTemplateMessage,
sendNewSubscribeMsg (bizsend). The token is the account's: one for all workers of a process, fetched by one of
them while the others wait; the stable interface gives several processes the same one.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr

from services.notification.couriers.provider import Provider, Unanswered, code_of
from services.notification.couriers.ways import Letter, WechatLetter
from services.notification.delivery import Answer, Outcome
from services.notification.settings import Settings

EARLY_S: Final = 300.0
"""A token is renewed this long before its end; from then on WeChat gives a new one and honours both."""
TOKEN_PATH: Final = "/cgi-bin/stable_token"  # noqa: S105 - an address
TEMPLATE_PATH: Final = "/cgi-bin/message/template/send"
SUBSCRIBE_PATH: Final = "/cgi-bin/message/subscribe/bizsend"
_JSON: Final = {"content-type": "application/json; charset=utf-8"}

FINAL: Final = frozenset({40003, 43004, 43101, 45168, 47003})
"""No such person here, no follower, did not agree, forbidden words, fields that don't fit: stays so. Every
other refusal (no such template, a quota, their system) can be mended."""
BAD_TOKEN: Final = frozenset({40001, 40014, 42001})


@dataclass(frozen=True, slots=True)
class _Held:
    token: str
    until_s: float


class Tokens:
    """The access tokens of a process, by application. Not kept anywhere else, and never logged."""

    def __init__(self, secrets: Mapping[str, SecretStr]) -> None:
        self._secrets = secrets
        self._held: dict[str, _Held] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def token(self, provider: Provider, app_id: str, not_after_s: float) -> str:
        """A token that is good for a while. Raises Unanswered, for a message that was not given away."""
        async with self._locks.setdefault(app_id, asyncio.Lock()):
            held = self._held.get(app_id)
            if held is None or time.monotonic() >= held.until_s:
                held = self._held[app_id] = await self._fetched(provider, app_id, not_after_s)
            return held.token

    def forget(self, app_id: str, token: str) -> None:
        """This token was refused. A newer one, which another worker may have fetched, stays."""
        held = self._held.get(app_id)
        if held is not None and held.token == token:
            del self._held[app_id]

    async def _fetched(self, provider: Provider, app_id: str, not_after_s: float) -> _Held:
        secret = self._secrets.get(app_id)
        if secret is None:
            raise Unanswered(Answer(Outcome.REFUSED, "unknown_app"))
        asked = {
            "grant_type": "client_credential",
            "appid": app_id,
            "secret": secret.get_secret_value(),
            "force_refresh": False,
        }
        _, words = await provider.post(
            TOKEN_PATH,
            headers=_JSON,
            body=json.dumps(asked).encode(),
            not_after_s=not_after_s,
            gives_away=False,
        )
        token, lasts_s = words.get("access_token"), words.get("expires_in")
        if not isinstance(token, str) or not isinstance(lasts_s, int):
            reason = f"wechat:token_{code_of(words.get('errcode'))}"
            raise Unanswered(Answer(Outcome.REFUSED_FOR_NOW, reason))
        early_s = min(EARLY_S, lasts_s / 2)
        return _Held(token, time.monotonic() + lasts_s - early_s)


class Wechat(Provider):
    """One worker's courier."""

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        super().__init__(settings.wechat_url, settings.provider_timeouts)
        self._tokens = tokens

    async def send(self, letter: Letter, *, not_after_s: float) -> Answer:
        """See Courier. A token that was withdrawn is replaced once: that refusal is no doubt."""
        assert isinstance(letter, WechatLetter)
        try:
            answer, token = await self._sent(letter, not_after_s)
            if answer.reason in {f"wechat:{code}" for code in BAD_TOKEN}:
                self._tokens.forget(letter.app_id, token)
                answer, _ = await self._sent(letter, not_after_s)
        except Unanswered as error:
            return error.answer
        return answer

    async def _sent(self, letter: WechatLetter, not_after_s: float) -> tuple[Answer, str]:
        token = await self._tokens.token(self, letter.app_id, not_after_s)
        said: dict[str, Any] = {
            "touser": letter.openid,
            "template_id": letter.template_id,
            "data": {name: {"value": value} for name, value in letter.data},
        }
        if letter.url is not None:
            said["page" if letter.subscribe else "url"] = letter.url
        path = SUBSCRIBE_PATH if letter.subscribe else TEMPLATE_PATH
        body = json.dumps(said, ensure_ascii=False).encode()
        _, words = await self.post(
            f"{path}?access_token={token}", headers=_JSON, body=body, not_after_s=not_after_s
        )
        return judge(words), token


def judge(words: Mapping[str, Any]) -> Answer:
    """What WeChat's answer says of the message."""
    code = words.get("errcode")
    if code == 0:
        message = words.get("msgid")
        return Answer(Outcome.ACCEPTED, provider_id=None if message is None else code_of(message))
    if not isinstance(code, int):
        return Answer(Outcome.UNKNOWN, "bad_answer")
    return Answer(Outcome.REFUSED if code in FINAL else Outcome.REFUSED_FOR_NOW, f"wechat:{code}")
