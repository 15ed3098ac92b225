"""A campaign's theme as it is sent and answered."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$", description="sRGB", examples=["#2a0307"])]
DIGEST: Final = r"^[0-9a-f]{64}$"
WEB_ADDRESS: Final = r"^https://[^\s/?#@]+(/[^\s]*)?$"


class ThemeBody(BaseModel):
    """How a campaign's screens look. Texts need 4.5 : 1 on `ground` and `glow`, the number 7 : 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ground: Colour = Field("#2a0307", description="What everything stands on", examples=["#2a0307"])
    glow: Colour = Field(
        "#6e0a13", description="The light behind the number, and boxes", examples=["#6e0a13"]
    )
    text: Colour = Field("#fff6e3", examples=["#fff6e3"])
    accent: Colour = Field("#f3cf7a", description="Headings, lines, labels", examples=["#f3cf7a"])
    number: Colour = Field("#ffedbe", description="The number and the title", examples=["#ffedbe"])
    title_font: Literal["song", "hei", "kai"] = Field(
        "song", description="宋, 黑 or 楷, of the machine's own"
    )
    title_weight: Literal["normal", "bold", "black"] = "black"
    title_spacing: Literal["tight", "normal", "wide"] = "normal"
    picture: str | None = Field(
        None, pattern=DIGEST, description="SHA-256 of a picture sent before", examples=["0f" * 32]
    )
    rankings: Literal["both", "parts", "companies", "none"] = Field(
        "both", description="Which rankings a screen shows: of parts, of companies that agreed to be named"
    )
    donation_url: str | None = Field(
        None,
        pattern=WEB_ADDRESS,
        max_length=512,
        description="Where the public donates: code and button",
        examples=["https://give.example.org/gala"],
    )


class Theme(ThemeBody):
    """A theme with its version. Version 0: nobody has decided one."""

    campaign_id: str
    version: int
    changed_by: str | None = None
    changed_at: datetime | None = None
    veil: float = Field(
        0,
        ge=0,
        le=1,
        description="How much of `ground` lies over the picture so that all can be read",
        examples=[0.71],
    )


class ThemeHistory(BaseModel):
    """Every theme that a campaign has had, the newest first."""

    themes: list[Theme]


class ThemePicture(BaseModel):
    """A background picture that was taken."""

    digest: str
    media_type: str
    width: int
    height: int
    bytes: int
