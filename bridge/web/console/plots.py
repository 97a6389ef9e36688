"""Interactive plots: signals with their healthy band, and the fan of the predicted failure.

A plot is handed to the page as JSON (`bokeh.embed.json_item`); the script that draws it comes
from the installed package, so that nothing is loaded from elsewhere and nothing runs inline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bokeh.embed import json_item
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, HoverTool, Range1d
from bokeh.models.annotations import BoxAnnotation, Label, Span
from bokeh.plotting import figure

from bridge.flow.ports import Series
from bridge.model.case import Facts
from bridge.model.instants import as_ns
from bridge.web.console.saying import Say
from bridge.web.console.why import Reason

_DERIVED = {"~score": "score", "~health": "health indicator"}
_SECOND_ROW = 18
"""Height of labels that would meet others on a narrow page, in pixels."""

Figure = Any
"""A figure of Bokeh, whose attributes are made at run time and unknown to a type checker."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of a plot, for a light or a dark page."""

    card: str
    text: str
    grid: str
    line: str
    band: str
    fan: str
    mark: str


LIGHT = Palette("#ffffff", "#3d4957", "#e4e8ed", "#1d5fbf", "#1d7a46", "#b3261e", "#1a222d")
DARK = Palette("#1a212b", "#b4bfcc", "#2b3644", "#7fb0ff", "#53c583", "#ff8a80", "#e8edf3")


def draw(
    reasons: Sequence[Reason],
    series: Mapping[str, Series],
    *,
    span: tuple[datetime, datetime],
    facts: Facts | None,
    say: Say,
    palette: Palette,
) -> dict[str, Any]:
    """Return one panel per signal over a common time axis, as JSON for the page.

    Parameters
    ----------
    reasons : sequence of Reason
        Signals to draw, with the band and the level that the page's table shows too.
    series : mapping of signal to Series
        What the store has of them.
    span : (datetime, datetime)
        Left and right end of the time axis.
    facts : Facts or None
        Where given, its P10 to P90 are drawn as a fan and its onset as a mark.
    """
    x_range = Range1d(start=_ms(span[0], say), end=_ms(span[1], say))
    panels = []
    for number, reason in enumerate(reasons):
        panel = _panel(reason, series.get(reason.signal), x_range, say, palette)
        _marks(panel, facts, say, palette, labelled=number == 0)
        panels.append(panel)
    layout = column(panels, sizing_mode="stretch_width")
    return dict(json_item(layout))


def _panel(
    reason: Reason, series: Series | None, x_range: Range1d, say: Say, palette: Palette
) -> Figure:
    unit = f" [{reason.unit}]" if reason.unit else ""
    share = f"  {say.percent(reason.share)}" if reason.share else ""
    panel = figure(
        title=f"{say.t(_DERIVED.get(reason.signal, reason.signal))}{unit}{share}",
        x_axis_type="datetime",
        x_range=x_range,
        height=190,
        sizing_mode="stretch_width",
        tools="xpan,xwheel_zoom,xbox_zoom,reset",
        active_drag=None,
        active_scroll=None,
        toolbar_location="right",
        background_fill_color=palette.card,
        border_fill_color=palette.card,
        outline_line_color=None,
    )
    panel.toolbar.logo = None
    panel.toolbar.autohide = True
    _dress(panel, palette)
    if reason.low is not None and reason.high is not None:
        panel.add_layout(
            BoxAnnotation(
                bottom=reason.low, top=reason.high, fill_color=palette.band, fill_alpha=0.13
            )
        )
    if series is not None and len(series.t_ns):
        _curve(panel, reason, series, say, palette)
    return panel


def _curve(panel: Figure, reason: Reason, series: Series, say: Say, palette: Palette) -> None:
    source = ColumnDataSource(
        {
            "t": series.t_ns / 1e6 + _offset_ms(say),
            "mean": series.mean,
            "low": series.low,
            "high": series.high,
        }
    )
    panel.varea("t", "low", "high", source=source, fill_color=palette.line, fill_alpha=0.18)
    line = panel.line("t", "mean", source=source, line_color=palette.line, line_width=1.6)
    unit = f" {reason.unit}" if reason.unit else ""
    panel.add_tools(
        HoverTool(
            renderers=[line],
            mode="vline",
            tooltips=[
                (say.t("time"), "@t{%d.%m. %H:%M}"),
                (reason.signal, f"@mean{{0.[000]}}{unit}"),
                (say.t("least to greatest"), "@low{0.[000]} … @high{0.[000]}"),
            ],
            formatters={"@t": "datetime"},
        )
    )


def _marks(
    panel: Figure,
    facts: Facts | None,
    say: Say,
    palette: Palette,
    *,
    labelled: bool,
) -> None:
    marks: list[tuple[datetime, str, str, str]] = [
        (say.now, palette.mark, "dotted", say.t("now"))
    ]
    if facts is not None and facts.onset is not None:
        marks.append((facts.onset, palette.text, "dashed", say.t("onset")))
    if facts is not None and facts.p10 and facts.p50 and facts.p90:
        panel.add_layout(
            BoxAnnotation(
                left=_ms(facts.p10, say),
                right=_ms(facts.p90, say),
                fill_color=palette.fan,
                fill_alpha=0.14,
                line_color=palette.fan,
                line_alpha=0.5,
                line_dash="dotted",
            )
        )
        marks.append((facts.p50, palette.fan, "solid", "50 %"))
        if labelled:
            panel.add_layout(
                _label(facts.p10, "10 %", palette.fan, say, align="right", y=_SECOND_ROW)
            )
            panel.add_layout(_label(facts.p90, "90 %", palette.fan, say, y=_SECOND_ROW))
    for when, color, dash, text in marks:
        panel.add_layout(
            Span(
                location=_ms(when, say),
                dimension="height",
                line_color=color,
                line_dash=dash,
                line_width=1.4,
            )
        )
        if labelled:
            panel.add_layout(_label(when, text, color, say))


def _label(
    when: datetime,
    text: str,
    color: str,
    say: Say,
    *,
    align: Literal["left", "right"] = "left",
    y: int = 4,
) -> Label:
    return Label(
        x=_ms(when, say),
        y=y,
        y_units="screen",
        x_offset=3 if align == "left" else -3,
        text_align=align,
        text=text,
        text_color=color,
        text_font_size="11px",
    )


def _dress(panel: Figure, palette: Palette) -> None:
    panel.title.text_color = palette.text
    panel.title.text_font_size = "13px"
    for axis in (*panel.xaxis, *panel.yaxis):
        axis.axis_line_color = palette.grid
        axis.major_tick_line_color = palette.grid
        axis.minor_tick_line_color = None
        axis.major_label_text_color = palette.text
    panel.xgrid.grid_line_color = None
    panel.ygrid.grid_line_color = palette.grid
    panel.yaxis.ticker.desired_num_ticks = 4
    panel.xaxis.formatter = DatetimeTickFormatter(
        hours="%H:%M", days="%d.%m.", months="%m/%Y", hourmin="%H:%M"
    )


def _ms(when: datetime, say: Say) -> float:
    """Return an instant in Bokeh's milliseconds, moved so that the axis shows local time.

    The zone's present offset holds for the whole axis, as one axis has one offset.
    """
    return as_ns(when) / 1e6 + _offset_ms(say)


def _offset_ms(say: Say) -> float:
    offset = say.local(say.now).utcoffset()
    return offset.total_seconds() * 1_000 if offset else 0.0
