"""The pictures in docs/console, docs/screens and docs/public, taken of the real pages before real services:
run it by name (`make pictures`), look at what it has written, and commit what you would show. No test:
nothing collects it. With LOOK=folder dark and English ones of the console's pages are written there too. Days
in fields are as staff see them only in a whole Chromium that speaks Chinese (Debian: chromium-l10n), which
`make pictures` takes; SHANLIU_CHROMIUM names another.
"""

import io
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image
from playwright.async_api import Browser, Page, expect

from services.campaign.days import today_of
from tests.browser import funds
from tests.browser.consoles import Console
from tests.browser.evening import until
from tests.browser.fitting import misfits
from tests.browser.gifts import Gifts, gifts_of
from tests.browser.test_console_partners import a_partner
from tests.reports import a_document, a_table
from tests.services.donation.builders import a_donor, a_reversal
from tests.services.reporting.test_reports import published

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

DOCS: Final = Path(__file__).parents[2] / "docs"
COLOURS: Final = 128
"""Enough for pages of few colours, and a quarter of the size."""
APART: Final = 12
"""How much two colours of a palette differ, all three parts together."""
QUALITY: Final = 60
"""Of what has gradients or is shown smaller than it was taken."""
WIDEST: Final = 1280
"""How wide a picture is shown."""
GALA, DRIVE, QUAKE, FLOOD = "gala-2027", "one-day-drive", "quake-2026", "flood-2026"
CITY: Final = "苏州市慈善总会"
NOW: Final = datetime.now(UTC)
TODAY: Final = today_of(NOW)
THEME: Final = {
    "ground": "#04213a",
    "glow": "#0b4a78",
    "text": "#f2f9ff",
    "accent": "#8fd3ff",
    "number": "#ffffff",
    "title_font": "hei",
}
GIVEN: Final = (
    ("王小明", 10_000, "愿山里的孩子们都有一间亮堂的教室"),
    ("李芳", 66_600, "致敬所有医护人员"),
    ("陈建国", 2_000_000, "祝奶奶的眼睛早日看见"),
    ("周敏", 8_800, "平安喜乐，一生顺遂"),
    ("吴霞", 50_000, "找我 138 0000 0000，一起做好事"),
    ("马秀英", 20_000, None),
    ("徐强", 100_000, "祝2027年更好"),
    ("朱丽", 520, "一点心意"),
    ("李芳", 20_000, None),
)
ASKING, PHONE = "李芳", "13800138000"
"""Who asks for their data, and where they are reached."""
COMPANIES: Final = (
    ("太湖实业有限公司", 500_000_000),
    ("金鸡湖科技有限公司", 300_000_000),
    ("姑苏纺织有限公司", 80_000_000),
)


def day(days: int) -> str:
    return (TODAY + timedelta(days=days)).isoformat()


def frequent(picture: Image.Image) -> Image.Image:
    """A palette of a page: its most frequent colours as they are, and of those like one another one only, so
    that a small mark in a colour of its own keeps it.
    """
    counted = picture.getcolors(picture.width * picture.height) or []
    chosen: list[tuple[int, ...]] = []
    for _, colour in sorted(counted, reverse=True):
        assert isinstance(colour, tuple)
        if all(sum(map(abs, map(int.__sub__, colour, each))) >= APART for each in chosen):
            chosen.append(colour)
        if len(chosen) == COLOURS:
            break
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in chosen for part in colour])
    return palette


def kept(png: bytes, path: Path, width: int | None = None, *, plain: bool = False) -> None:
    """Write a picture, small: no wider than `width`; `plain`: it has no gradients, so few colours are enough,
    and nothing of them is lost. WebP is a third smaller than PNG here.
    """
    picture: Image.Image = Image.open(io.BytesIO(png)).convert("RGB")
    scaled = width is not None and picture.width > width
    if width is not None and scaled:
        height = round(picture.height * width / picture.width)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    if plain and not scaled:
        flat = picture.quantize(COLOURS, palette=frequent(picture), dither=Image.Dither.NONE)
        flat.convert("RGB").save(path, "WEBP", lossless=True, quality=90, method=6)
    else:
        picture.save(path, "WEBP", quality=QUALITY, method=6)


SIZES: Final[tuple[tuple[int, int], ...]] = ((390, 844), (1280, 800), (1920, 1080), (3840, 1080))
"""A telephone first, whose ways are scrolled to the page shown; a laptop, a desk's screen, a wall."""
LOOKED_AT: Final = 1280
"""Whose picture carries the page's name alone, and stands in the documents' text."""


@dataclass
class Camera:
    """Takes pages of the console as somebody sees them, light and Chinese, in all SIZES; with LOOK=folder
    dark and English ones there too.
    """

    console: Console
    folder: Path = DOCS / "console"
    cut: list[str] = field(default_factory=list)

    async def take(
        self,
        name: str,
        person: str,
        path: str,
        ready: str,
        act: Callable[[Page], Awaitable[None]] | None = None,
    ) -> None:
        """The page, as soon as it says `ready`, after `act`."""
        width, height = SIZES[0]
        page = await self.console.page(person, width=width, height=height)
        await page.goto(path)
        await expect(page.locator("main")).to_contain_text(ready)
        if name not in {"refused", "personal-data"}:
            await expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
        if act is not None:
            await act(page)
        for size in SIZES:
            suffix = "" if size[0] == LOOKED_AT else f"-{size[0]}"
            await self._sized(page, size, self.folder / f"{name}{suffix}.webp", name)
            if look := os.environ.get("LOOK"):
                await page.emulate_media(color_scheme="dark")
                await self._sized(page, size, Path(look) / f"{name}-{size[0]}-dark.webp", name)
                await page.emulate_media(color_scheme="light")
        await page.close()
        if look := os.environ.get("LOOK"):
            page = await self.console.page(person, width=width, height=height, lang="en")
            await page.goto(path)
            if name not in {"refused", "personal-data"}:
                await expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
            await page.wait_for_load_state("networkidle")
            for size in SIZES[:2]:
                await self._sized(page, size, Path(look) / f"{name}-{size[0]}-en.webp", name)
            await page.close()

    async def _sized(self, page: Page, size: tuple[int, int], file: Path, name: str) -> None:
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await page.evaluate("document.activeElement?.blur()")
        kept(await page.screenshot(), file, WIDEST if file.is_relative_to(DOCS) else None, plain=True)
        self.cut.extend(f"{file.name}: {each}" for each in await misfits(page))


async def campaigns(console: Console) -> None:
    """A gala, a drive, two appeals whose days to file run out, and a draft."""
    await funds.register(console)
    await funds.launched(console, GALA, title="2027 新年慈善晚会", title_en="New Year Charity Gala 2027")
    await funds.launched(
        console,
        DRIVE,
        kind="annual_drive",
        title="第二十五届慈善一日捐",
        title_en="The 25th One-Day Drive",
        goal_fen=3_228_700_000,
    )
    desk = await console.person("desk")
    for campaign_id, title, ago in ((QUAKE, "甘肃抗震救灾", 8), (FLOOD, "京津冀抗洪救灾", 12)):
        await funds.draft(console, campaign_id, kind="emergency_appeal", title=title, title_en=None)
        await funds.done(desk.post(f"campaign/v1/campaigns/{campaign_id}/launch", {"on": day(-ago)}))
    await funds.draft(
        console, "books-2027", kind="programme", title="爱心图书进校园", contact=..., remainder=...
    )


async def donations(console: Console, gifts: Gifts) -> dict[str, Any]:
    """What people and companies give, what is held, in conflict, unusable; one that was partly taken back."""

    async def known() -> bool:
        administrator = await console.person("administrator")
        found = (await administrator.get("donation/v1/messages/campaigns")).json()["items"]
        return {GALA, DRIVE} <= {each["campaign_id"] for each in found}

    await until("the donation service knows the campaigns", known)
    now = NOW.isoformat()
    found: dict[str, Any] = {}
    for i, (name, fen, message) in enumerate(GIVEN):
        said = {} if message is None else {"message": message}
        reached = {"contact": {"phone": PHONE}} if name == ASKING else {}
        _, found[name] = await gifts.given(
            channel=("wechat", "alipay", "ecny")[i % 3],
            campaign_id=GALA,
            amount_fen=fen,
            occurred_at=now,
            donor=a_donor(name=name, **reached),
            **said,
        )
    body: dict[str, Any] = {}
    for name, fen in COMPANIES:
        body, found[name] = await gifts.given(
            campaign_id=GALA, amount_fen=fen, occurred_at=now, donor=a_donor(kind="company", name=name)
        )
    await gifts.put({**body, "amount_fen": body["amount_fen"] + 100})
    for bad in (b"{", {**body, "transaction_id": "x-1", "amount_fen": 0}, {"transaction_id": "x-2"}):
        await gifts.put(bad, "alipay")
    for fen, campaign_id in ((66_600, "gala-2026"), (500_000, "study-aid-2027"), (888_800, "gala-2026")):
        body, _ = await gifts.given("held", campaign_id=campaign_id, amount_fen=fen, occurred_at=now)
    for transaction_id, fen in ((body["transaction_id"], 88_800), ("4200002701202611279", 12_300)):
        await gifts.put(a_reversal(transaction_id, amount_fen=fen, occurred_at=now))
    finance, administrator = await console.person("finance"), await console.person("administrator")
    await administrator.post("donation/v1/receipt-organisations", {"organisation": CITY, "code": "SZCS"})
    receipt = {"donation_ids": [found["太湖实业有限公司"]], "handler": "陈会计"}
    await funds.done(finance.post("donation/v1/receipts", receipt), 201)
    back = {"kind": "refund", "amount_fen": 100_000_000, "reason": "重复转账，原路退回"}
    await funds.done(finance.post(f"donation/v1/donations/{found['太湖实业有限公司']}/reversals", back), 202)
    unnamed = {"reason": "来电，核对了交易号"}
    desk = await console.person("desk")
    await funds.done(
        desk.post(f"donation/v1/donations/{found['姑苏纺织有限公司']}/consent/withdraw", unnamed), 202
    )
    return found


async def placards(console: Console) -> None:
    """Promises of each sort."""
    desk = await console.person("desk")
    goods = {"description": "羽绒服", "quantity": 5_000, "unit": "件", "basis": "agreed"}
    for number, company, fen, more in (
        ("1", "逾期纺织有限公司", 200_000_000, {"promised_on": day(-40), "due_on": day(-10)}),
        ("5", "阳澄湖农业科技有限公司", 600_000_000, {"goods": goods}),
        ("6", "虎丘建设集团", 300_000_000, {}),
        ("8", "胥门医药", 88_880_000, {}),
        ("9", "寒山文旅集团", 302_469_000, {}),
        ("12", "平江路商会", 50_000_000, {}),
    ):
        body = {"company": company, "amount_fen": fen, "placard": number, "due_on": day(30), **more}
        made = await funds.done(desk.post(f"campaign/v1/campaigns/{GALA}/pledges", body), 201)
        if number not in {"9", "12"}:
            await funds.step(
                console, "desk-two", f"pledges/{made['pledge_id']}", "confirm", {"amount_fen": fen}
            )


async def spending(console: Console) -> str:
    """Requests in each state, invoices, a budget, a stated year; gives back the one with invoices."""
    finance = await console.person("finance")
    year = TODAY.year
    stated = {
        "year": year - 1,
        "income_fen": 1_410_000_000,
        "programme_fen": 1_300_000_000,
        "management_fen": 20_000_000,
        "spending_fen": 1_320_000_000,
        "reference": f"苏审〔{year}〕12号",
    }
    made = await funds.done(finance.post(f"campaign/v1/organisations/{funds.CITY}/stated-years", stated), 201)
    await funds.step(console, "approver", f"stated-years/{made['statement_id']}", "confirm")
    lines = [
        {"use": use, "amount_fen": fen} for use, fen in (("助医恤病", 400_000_000), ("助学圆梦", 250_000_000))
    ]
    budget = {"lines": lines, "reason": "理事会议定"}
    await funds.done(finance.post(f"campaign/v1/campaigns/{GALA}/budget", budget), 201)
    await funds.step(console, "approver", f"campaigns/{GALA}/budget", "confirm")
    ids = {}
    for title, use, payee, fen in (
        ("大病救助第三批", "助医恤病", "苏州大学附属第一医院", 310_400_000),
        ("2026 年秋季助学金", "助学圆梦", "苏州市教育局助学专户", 167_000_000),
        ("光明行动", "助医恤病", "苏州市眼科医院", 41_290_000),
        ("冬季助学", "助学圆梦", "苏州市某某中学", 32_000_000),
    ):
        ids[title] = await funds.requested(console, GALA, fen, title=title, use=use, payee=payee)
    for title, steps in (("大病救助第三批", ("approve", "pay")), ("2026 年秋季助学金", ("approve",))):
        for step in steps:
            person = "approver" if step == "approve" else "finance"
            await funds.step(console, person, f"disbursements/{ids[title]}", step)
    path = f"campaign/v1/disbursements/{ids['冬季助学']}"
    for i, (number, fen) in enumerate(
        (("24412000000012345678", 30_000_000), ("24412000000012345679", 2_000_000))
    ):
        answer = await finance.client.post(
            f"/api/{path}/invoices",
            params={"name": f"发票{i + 1}.pdf", "invoice_number": number, "amount_fen": fen},
            content=b"%PDF-1.4\n" + bytes([i]) * 40_000,
            headers={
                "X-Shanliu-CSRF": finance.csrf,
                "Idempotency-Key": f"picture-{i}",
                "If-Match": (await finance.get(path)).headers["ETag"],
                "Content-Type": "application/pdf",
            },
        )
        assert answer.status_code == 201, answer.text
    return str(ids["冬季助学"])


async def reconciled(console: Console, gifts: Gifts) -> None:
    """Two days with their bills, one of which does not agree, and a channel that owes its bill."""
    finance = await console.person("finance")
    await funds.done(
        finance.send(
            "PUT",
            "donation/v1/reconciliation/terms/ecny",
            {"format": "plain", "due_from": day(-2)},
        )
    )
    for ago in (1, 2):
        lines = []
        for fen in (10_000, 66_600, 25_000):
            body, _ = await gifts.given(
                channel="wechat", campaign_id=GALA, amount_fen=fen, occurred_at=f"{day(-ago)}T20:15:00+08:00"
            )
            lines.append(f"{body['transaction_id']},payment,{fen},60,{day(-ago)}T20:15:00+08:00,,")
        if ago == 1:
            lines.append(f"4200002026112{ago},payment,8800,60,{day(-ago)}T20:16:00+08:00,,")
        head = "transaction_id,kind,amount_fen,fee_fen,occurred_at,reversal_id,campaign_id"
        answer = await finance.client.post(
            "/api/donation/v1/reconciliation/bills",
            params={"channel": "wechat", "day": day(-ago), "format": "plain", "confirmed": "true"},
            content="\n".join([head, *lines, ""]).encode(),
            headers={
                "X-Shanliu-CSRF": finance.csrf,
                "Idempotency-Key": f"bill-{ago}",
                "Content-Type": "text/csv",
            },
        )
        assert answer.status_code in {200, 201, 202}, answer.text

    async def judged() -> bool:
        shares = (await finance.get("donation/v1/reconciliation/shares")).json()
        return any(each["matched_fen"] > 0 for each in shares if each["channel"] == "wechat")

    await until("the bills are judged", judged)


async def erasures(console: Console, found: dict[str, Any]) -> None:
    """A request in each state."""
    finance, approver = await console.person("finance"), await console.person("approver")
    for name, number, step in (("马秀英", 10, "carry-out"), ("朱丽", 11, "refuse"), (ASKING, 12, None)):
        body = {"donation_ids": [found[name]], "reference": f"PIPL-2027-00{number}"}
        asked = await funds.done(finance.post("donation/v1/erasures", body), 201)
        if step is not None:
            await funds.done(approver.post(f"donation/v1/erasures/{asked['erasure_id']}/{step}"))


async def screens(console: Console) -> None:
    """A register of screens, some of them not live."""
    desk = await console.person("desk")
    for screen_id, title, layout, action in (
        ("main-hall", "主会场大屏", "hall", None),
        ("wall", "舞台通屏", "wide", "freeze"),
        ("tv-lower", "电视直播字幕条", "lower", None),
        ("lobby", "大堂手机页", "phone", "hide"),
        ("english-hall", "英文分会场", "hall", "rehearse"),
    ):
        new = {"screen_id": screen_id, "title": title, "campaign_id": GALA, "layout": layout}
        await funds.done(desk.post("reporting/v1/screens", new), 201)
        if action is not None:
            await funds.done(
                desk.post(f"reporting/v1/screens/{screen_id}/air", {"action": action, "reason": "按流程"})
            )


async def partners(console: Console, urls: dict[str, str]) -> None:
    """Endpoints; one fails, one is paused."""
    administrator = await console.person("administrator")
    types = ["org.shanliu.donation.received.v1", "org.shanliu.donation.consent-withdrawn.v1"]
    for name, url in urls.items():
        body = {"url": url, "description": name, "owner_email": "it@partner.example", "event_types": types}
        made = await funds.done(administrator.post("notification/v1/webhook-endpoints", body), 201)
        path = f"notification/v1/webhook-endpoints/{made['endpoint_id']}"
        if name == "姑苏区民政局":
            await funds.done(administrator.post(f"{path}/pause", {"reason": "对方系统升级，至 20:00"}))
        else:
            await administrator.post(f"{path}/ping")


async def test_pictures_of_the_console(console: Console) -> None:
    await console.needs("campaign", "donation", "notification", "reporting")
    camera = Camera(console)
    viewer, administrator = await console.person("viewer"), await console.person("administrator")
    await campaigns(console)
    async with gifts_of(console) as gifts, a_partner() as well, a_partner() as ill:
        ill.status = 500
        found = await donations(console, gifts)
        await placards(console)
        await partners(
            console, {"湖南日报 · 捐赠墙": well.url, "芙蓉科技公益平台": ill.url, "姑苏区民政局": well.url}
        )
        await reconciled(console, gifts)
        await screens(console)
        await erasures(console, found)

        async def in_the_fund() -> bool:
            balance = (await viewer.get(f"campaign/v1/campaigns/{GALA}/balance")).json()
            return bool(balance["received_fen"] > 880_000_000)

        await until("the fund has the money", in_the_fund)
        asked = await spending(console)
        for channel, title, more in (
            ("icbc", "工商银行对公账户", {"scheme": "files", "settings": {"profile": "bank-csv"}}),
            ("partner-test", "合作伙伴联调", {"sandbox": True, "limit_per_second": 100}),
        ):
            new = {"channel": channel, "title": title, **more}
            await funds.done(administrator.post("donation/v1/channels", new), 201)
        paused = {"reason": "门店对账不符，等财务核实后恢复"}
        await funds.done(administrator.post("donation/v1/channels/ecny/pause", paused))

        async def counted() -> bool:
            totals = await viewer.client.get(f"/api/reporting/v1/campaigns/{GALA}/totals")
            return bool(totals.json().get("net_fen", 0) > 780_000_000)

        await until("the screens have the number", counted)
        await taken(camera, found, asked)


async def taken(camera: Camera, found: dict[str, Any], asked: str) -> None:
    """All pictures of the console."""

    async def opened(page: Page) -> None:
        await page.locator("tbody tr").first.click()
        await expect(page.get_by_role("dialog")).to_contain_text("善款去向")
        await expect(page.get_by_role("dialog")).to_contain_text("已扣减")

    async def chosen(page: Page) -> None:
        await page.locator("h1").click()
        await page.keyboard.press("X")

    async def approved(page: Page) -> None:
        await chosen(page)
        await page.keyboard.press("a")
        await expect(page.locator("#notices")).to_contain_text("可能含个人信息")

    async def helped(page: Page) -> None:
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_contain_text("键盘快捷键")

    async def known(page: Page) -> None:
        await page.get_by_label("按什么找").select_option("phone")
        await page.get_by_label("捐赠人说的").fill("138 0013 8000")
        await page.get_by_label("捐赠人说的").press("Enter")
        await page.locator("tbody tr").first.click()
        await expect(page.get_by_role("dialog")).to_contain_text(ASKING)

    async def deciding(page: Page) -> None:
        await page.locator("tbody tr", has_text="PIPL-2027-0012").click()
        await page.get_by_role("button", name="执行删除").click()

    async def with_invoices(page: Page) -> None:
        await page.locator(f'tr[data-id="{asked}"]').click()
        await expect(page.get_by_role("dialog")).to_contain_text("发票合计")

    await camera.take("tonight", "desk", "/", "2027 新年慈善晚会")
    await camera.take("campaigns", "desk", "/campaigns", "甘肃抗震救灾")
    await camera.take("disclosure", "finance", "/disclosure", "应急公开")
    await camera.take("placards", "desk", f"/placards?campaign_id={GALA}&view=every", "平江路商会")
    await camera.take(
        "donations", "finance", f"/donations?find={found['太湖实业有限公司']}", "太湖实业", opened
    )
    await camera.take("held", "finance", "/held", "study-aid-2027", chosen)
    await camera.take("waiting-reversals", "finance", "/held?view=reversals", "4200002701202611279")
    await camera.take("dead-letters", "desk", "/dead-letters", "JSON")
    await camera.take("messages", "moderator", f"/messages?campaign_id={GALA}", "一起做好事", approved)
    await camera.take("spending", "approver", f"/spending?campaign_id={GALA}", "光明行动")
    await camera.take("invoices", "approver", f"/spending?campaign_id={GALA}", "冬季助学", with_invoices)
    await camera.take("reconciliation", "finance", "/reconciliation", "微信支付")
    await camera.take("screens", "desk", f"/screens?campaign_id={GALA}", "电视直播字幕条")
    await camera.take("channels", "administrator", "/channels", "工商银行")
    await camera.take("partners", "administrator", "/partners", "湖南日报")
    await camera.take("personal-data", "finance", "/personal-data", "查找", known)
    await camera.take("erasures", "approver", "/personal-data?view=erasures", "PIPL-2027-0012", deciding)
    await camera.take("audit", "administrator", "/audit", "desk")
    await camera.take("accounts", "administrator", "/accounts", "county")
    await camera.take("keys", "moderator", f"/messages?campaign_id={GALA}", "一起做好事", helped)
    await camera.take("refused", "moderator", "/accounts", "您的账号不能查看此页")
    assert camera.cut == [], "\n".join(camera.cut)


TITLE: Final = "苏州市慈善总会第三十六届“情暖苏城”新年慈善晚会暨助医恤病专项募捐活动"
TITLE_EN: Final = (
    "The thirty-sixth New Year Charity Gala of the Suzhou Charity Federation, for the sick and the poor"
)
SHOTS: Final = (
    ("hall", "layout=hall", (1920, 1080), 1120, "爱心企业榜"),
    ("wide", "layout=wide&fen=14123456789", (3840, 1080), 1600, "捐赠人寄语"),
    ("lower", "layout=lower", (1920, 1080), 1280, "示例"),
    ("phone", "layout=phone", (390, 844), None, "示例"),
    ("laptop-en", "layout=hall&lang=en", (1440, 900), 960, "Teams and parts"),
    ("themed", "layout=hall", (1920, 1080), 1120, "最新捐赠"),
)
"""Name, what is asked for, the window, the picture's width, and the list to wait for: they take turns."""
AT_REST: Final = """() => document.getAnimations().every(each =>
    each.playState === 'finished' || each.effect.getComputedTiming().endTime === Infinity)"""
"""What moves in has come to rest; the lamp breathes for ever."""


async def test_pictures_of_the_screens(console: Console, browser: Browser) -> None:
    """Previews, so that what is on them says of itself that it is a sample."""
    await console.needs("reporting", "donation")
    async with console.evening() as evening:
        source = evening.channel()
        plan = evening.campaigns.launched(
            "pictures",
            title=TITLE,
            title_en=TITLE_EN,
            organisation="苏州市慈善总会（示例）",
            goal_fen=5_200_000_000,
            milestones_fen=(1_300_000_000, 2_600_000_000, 3_900_000_000),
        )
        gift = source.received(1_000, campaign_id="pictures", at=NOW, received_at=NOW)
        await evening.happens(plan, gift)
        await evening.counted("pictures", 1_000)
        url = evening.reporting.url
    desk = await console.person("administrator")
    for layout in ("hall", "wide", "lower", "phone"):
        context = await browser.new_context(viewport={"width": 1920, "height": 1080}, locale="zh-CN")
        page = await context.new_page()
        await page.goto(f"{url}/screens/pictures/preview?layout={layout}")
        await expect(page.locator("#mark")).to_be_visible(timeout=90_000)
        for width, height in SIZES:
            await page.set_viewport_size({"width": width, "height": height})
            await page.wait_for_function(AT_REST)
            await screen_kept(page, f"{layout}-{width}", WIDEST)
        await context.close()
    for name, query, (width, height), shown, listed in SHOTS:
        if name == "themed":
            theme = "reporting/v1/campaigns/pictures/theme"
            await funds.done(desk.send("PUT", theme, THEME, if_match='"0"'))
        context = await browser.new_context(viewport={"width": width, "height": height}, locale="zh-CN")
        page = await context.new_page()
        await page.goto(f"{url}/screens/pictures/preview?{query}")
        await expect(page.get_by_text(listed).locator("visible=true").first).to_be_visible(timeout=90_000)
        await page.wait_for_function(AT_REST)
        await screen_kept(page, name, shown)
        await context.close()


async def test_pictures_of_the_public_pages(console: Console, browser: Browser) -> None:
    """What anyone may read: two organisations, their campaigns, and a report with its figures."""
    await console.needs("reporting")
    async with console.evening() as evening:
        source, channel = evening.campaigns, evening.channel()
        await evening.happens(
            source.registered("suzhou", name=CITY, name_en="Suzhou", licence="A1", contact="0512-12345"),
            source.registered("wuzhong", "suzhou", name="吴中区慈善会", name_en="Wuzhong"),
            *[
                source.launched(name, title=title, organisation_id=whose, goal_fen=5_000_000_000)
                for name, title, whose in OPEN
            ],
            *[
                channel.received(1_234_567_89 * (number + 1), campaign_id=name, at=NOW, received_at=NOW)
                for number, (name, _, _) in enumerate(OPEN)
            ],
            source.goods_received(1_210_000_000, OPEN[0][0]),
        )
        report = published(source, a_document(tables=(a_table(12),)))
        await evening.happens(report)
        for number, (name, _, _) in enumerate(OPEN):
            await evening.counted(name, 1_234_567_89 * (number + 1))
        url, digest = evening.reporting.url, (await evening.totals(OPEN[0][0]))["digest"]
    pages = (
        ("index", "/", OPEN[0][1]),
        ("organisations", "/organisations", "吴中区慈善会"),
        ("organisation", "/organisations/suzhou", "吴中区慈善会"),
        ("reports", "/reports", "全面公开"),
        ("report", f"/reports/{report.data.report_id}", "拨付支出按用途"),
        ("verify", f"/verify?campaign={OPEN[0][0]}", "核对数字"),
    )
    for name, path, shown in pages:
        context = await browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN")
        page = await context.new_page()

        async def there(page: Page = page, address: str = url + path) -> bool:
            answer = await page.goto(address)
            return answer is not None and answer.ok

        await until(f"{path} is public", there)
        await expect(page.get_by_text(shown).locator("visible=true").first).to_be_visible()
        if name == "verify":
            await page.get_by_label("摘要").fill(digest[:8])
            await page.get_by_role("button", name="核对").click()
            await expect(page.locator(".found")).to_contain_text("摘要相同")
        for width, height in SIZES:
            await page.set_viewport_size({"width": width, "height": height})
            of_it = name if width == LOOKED_AT else f"{name}-{width}"
            kept(await page.screenshot(), DOCS / "public" / f"{of_it}.webp", WIDEST, plain=True)
        await context.close()


OPEN: Final = (
    ("warm-city", TITLE, "suzhou"),
    ("school-roofs", "山村小学屋顶修缮", "suzhou"),
    ("clear-eyes", "光明行动", "wuzhong"),
)
"""Campaigns of the public pages, with whose they are."""


async def screen_kept(page: Page, name: str, width: int | None) -> None:
    """A screen's picture; a lower third's over something."""
    png = await page.screenshot(omit_background=True)
    shown = over_a_picture(png) if name.startswith("lower") else png
    kept(shown, DOCS / "screens" / f"{name}.webp", width)


def over_a_picture(png: bytes) -> bytes:
    """A lower third as a broadcast has it: over something."""
    strip = Image.open(io.BytesIO(png)).convert("RGBA")
    shade = Image.linear_gradient("L").resize(strip.size)
    ground = Image.composite(
        Image.new("RGBA", strip.size, "#8a8fb5"), Image.new("RGBA", strip.size, "#2e5266"), shade
    )
    ground.alpha_composite(strip)
    made = io.BytesIO()
    ground.save(made, "PNG")
    return made.getvalue()
