"""Which period a report is about, as the options say it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date as date_type
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from entro_cli.report.periods import Kind, Period

_WHICH = "Which period"

Daily = Annotated[bool, typer.Option("--daily", help="The report of a day.", rich_help_panel=_WHICH)]
Weekly = Annotated[bool, typer.Option("--weekly", help="Of an ISO week.", rich_help_panel=_WHICH)]
Monthly = Annotated[bool, typer.Option("--monthly", help="Of a calendar month.", rich_help_panel=_WHICH)]
Date = Annotated[
    str | None,
    typer.Option(
        "--date",
        metavar="DATE",
        help="A date in the period; 2026-W15 or 2026-04 will do.",
        show_default="the latest with data",
        rich_help_panel=_WHICH,
    ),
]
Last = Annotated[bool, typer.Option("--last", help="The last complete one: for cron.", rich_help_panel=_WHICH)]


@dataclass(frozen=True)
class Which:
    """Which period is reported on, as the options say it.

    Attributes:
        kind: day, week, month or range.
        date: a date in it.
        last: whether it is the last complete one.
        within: what --since and --until say, nanoseconds since the epoch.
        zone: whose midnights count.
    """

    kind: Kind
    date: str | None
    last: bool
    within: tuple[int | None, int | None]
    zone: tzinfo

    def period(self, last_ns: int | None) -> Period:
        """The period.

        Args:
            last_ns: where the last step with data begins, nanoseconds since the epoch; None without any.

        Raises:
            EntroError: when --date cannot be read, the range is empty, or nothing says which period is meant.
        """
        from entro_cli.report.periods import Kind, last_complete, latest, period_of

        if self.kind is Kind.RANGE:
            return _range(self.within, self.zone)
        if self.date is not None:
            return period_of(self.kind, _date(self.date), self.zone)
        if self.last or last_ns is None:
            return last_complete(self.kind, datetime.now(self.zone))
        return latest(self.kind, last_ns, self.zone)


def _range(within: tuple[int | None, int | None], zone: tzinfo) -> Period:
    """The range from --since to --until, or to now.

    Raises:
        EntroError: when nothing says where it begins, or it is empty.
    """
    from entro_cli.core.clock import moment
    from entro_cli.report.periods import range_of
    from entro_engine import EntroError

    since, until = within
    if since is None:
        raise EntroError(
            "nothing says where the range begins", where="entro report", remedy="add --since, as --since 7d"
        )
    end = datetime.now(zone) if until is None else moment(until, zone)
    return range_of(moment(since, zone).replace(microsecond=0), end.replace(microsecond=0))


def one_kind(daily: bool, weekly: bool, monthly: bool, ranged: bool = False) -> Kind:
    """What kind of period is meant; a range where none is named and there is one.

    Raises:
        typer.BadParameter: when more than one is named, or none.
    """
    from entro_cli.report.periods import Kind

    kinds = {Kind.DAY: daily, Kind.WEEK: weekly, Kind.MONTH: monthly}
    chosen = [kind for kind, wanted in kinds.items() if wanted]
    if len(chosen) > 1 or (not chosen and not ranged):
        raise typer.BadParameter(
            "choose one of --daily, --weekly and --monthly, or a range with --since", param_hint="period"
        )
    return chosen[0] if chosen else Kind.RANGE


def _date(text: str) -> date_type:
    from entro_engine import EntroError

    try:
        return date_type.fromisoformat(f"{text}-01" if re.fullmatch(r"\d{4}-\d\d", text) else text)
    except ValueError as error:
        raise EntroError(
            f"{text!r} is no date",
            where="--date",
            expected="a date such as 2026-04-06, a week such as 2026-W15 or a month such as 2026-04",
        ) from error
