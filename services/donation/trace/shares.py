"""What part of a campaign's money is a donor's, and how much of that is spent: a pure rule.

Money in a fund can't be told apart: no payment is made with the fen of one donor. A donor's share of what was
spent is therefore the share that the donation has in everything the fund took in, whoever gave first.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fund:
    """A campaign's money at one moment, in fen. `moved`: transfers from and to other funds. `split`: parts of
    donations that went to other funds at once; the rest of the fund's donors have nothing to do with them.
    """

    received_fen: int = 0
    reversed_fen: int = 0
    moved_in_fen: int = 0
    moved_out_fen: int = 0
    split_fen: int = 0
    paid_fen: int = 0
    returned_fen: int = 0

    @property
    def in_fen(self) -> int:
        """What it took in, less what went back to donors or was split off for other funds."""
        return self.received_fen - self.reversed_fen - self.split_fen + self.moved_in_fen

    @property
    def spent_fen(self) -> int:
        """What was paid, less what came back from those it was paid to."""
        return self.paid_fen - self.returned_fen

    @property
    def left_fen(self) -> int:
        """What is not spent. Below 0: money went back to donors after it had been spent."""
        return self.in_fen - self.moved_out_fen - self.spent_fen


@dataclass(frozen=True, slots=True)
class Share:
    """A donor's part of a fund and where it stands, in fen: own = spent + moved + left."""

    own_fen: int
    spent_fen: int
    moved_fen: int

    @property
    def left_fen(self) -> int:
        """What of it waits in the fund; the fen that division leaves over are counted here."""
        return self.own_fen - self.spent_fen - self.moved_fen

    @property
    def spent_basis_points(self) -> int:
        """Hundredths of a percent, never rounded up: 10,000 only when all of it is spent."""
        return self.spent_fen * 10_000 // self.own_fen if self.own_fen else 0


def share_of(own_fen: int, fund: Fund) -> Share:
    """Divide a donor's own fen as the fund is divided. All donors' shares together never exceed what was
    spent. A fund that spent more than it has now (refunds came later) is spent whole.
    """
    gone_fen = fund.spent_fen + fund.moved_out_fen
    whole_fen = max(fund.in_fen, gone_fen, own_fen)
    if whole_fen == 0:
        return Share(own_fen, 0, 0)
    return Share(
        own_fen,
        spent_fen=own_fen * fund.spent_fen // whole_fen,
        moved_fen=own_fen * fund.moved_out_fen // whole_fen,
    )
