"""The page about a measurement as HTML: one file that needs nothing beside it and sends nothing anywhere."""

from __future__ import annotations

import base64
from html import escape

import cv2

from lvef.core.records import FloatArray
from lvef.report.drawing import ED_ON_BLACK, ES_ON_BLACK
from lvef.report.html_curve import curve_svg
from lvef.report.html_style import STYLE
from lvef.report.page import (
    Corrected,
    Outline,
    Pairs,
    Picture,
    ReportPage,
    Table,
    ViewPart,
    more_beats,
    more_warnings,
)

JPEG_QUALITY = 88
"""Quality of the pictures; they are shown, not measured."""

CROWDED_LINES = 14
"""With more lines of beats and warnings than this, printed pictures are smaller."""


def draw_html(page: ReportPage) -> str:
    """Write the page.

    Args:
        page: What it says.

    Returns:
        A whole document; the same page gives the same text.
    """
    lines = sum(len(view.beats.rows) for view in page.views if view.beats) + 2 * len(page.warnings)
    lines += 6 if page.correction else 0
    body = [
        "<header>",
        '<p class="kicker">Left-ventricular ejection fraction</p>',
        f"<h1>{escape(page.title)}</h1>",
        f'<p class="soft">{escape(page.facts)}</p>' if page.facts else "",
        "</header>",
        _answer(page),
        _correction(page.correction) if page.correction else "",
        _pictures(page),
        _curves(page.views),
        _beats(page.views),
        _warnings(page),
        _foot(page),
    ]
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            # Whatever a name might smuggle in: nothing is loaded, nothing runs.
            '<meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">",
            f"<title>{escape(f'EF {page.answer}: {page.title}')}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            f'<body class="{"crowded" if lines > CROWDED_LINES else "calm"} films-{len(page.views)}">',
            "<main>",
            *filter(None, body),
            "</main>",
            "</body>",
            "</html>",
            "",
        )
    )


def _answer(page: ReportPage) -> str:
    reason = f'<p class="reason">{escape(page.reason)}</p>' if page.reason else ""
    volumes = _pairs(page.volumes, "volumes")
    if page.volume_note:
        volumes += f'<p class="soft">{escape(page.volume_note)}</p>'
    return "\n".join(
        (
            '<section class="answer" aria-label="Answer">',
            "<div>",
            f'<p class="soft">{escape(page.answer_name)}</p>',
            f'<p class="ef{"" if page.answer[:1].isdigit() else " none"}">{escape(page.answer)}</p>',
            f'<p class="status{" alert" if page.alert else ""}">{escape(page.status)}</p>',
            "</div>",
            f'<div class="facts">{reason}{_pairs(page.categories + page.values)}</div>',
            f"<div>{volumes}</div>" if volumes else "",
            "</section>",
        )
    )


def _pairs(pairs: Pairs, kind: str = "pairs") -> str:
    if not pairs:
        return ""
    inner = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)
    return f'<dl class="{kind}">{inner}</dl>'


def _correction(correction: Corrected) -> str:
    note = f"<p>{escape(correction.note)}</p>" if correction.note else ""
    return (
        '<section class="correction" aria-label="Correction by a reader">'
        f"{_table(correction.table, 'Reader and machine', first_names=True)}"
        f"<div><p>{escape(correction.sentence)}</p>{note}</div></section>"
    )


def _table(table: Table, caption: str, *, first_names: bool = False) -> str:
    """A table; ``first_names`` makes the first column the heads of its lines."""
    words = len(table.header) - 1
    heads = "".join(
        "<td></td>"
        if not name
        else f'<th scope="col"{_words(column == words and not first_names)}>{escape(name)}</th>'
        for column, name in enumerate(table.header)
    )
    rows = []
    for index, row in enumerate(table.rows):
        cells = "".join(
            f'<th scope="row">{escape(cell)}</th>'
            if column == 0
            else f"<td{_words(column == words and not first_names)}>{escape(cell)}</td>"
            for column, cell in enumerate(row)
        )
        strong = ' class="strong"' if index == table.strong else ""
        rows.append(f"<tr{strong}>{cells}</tr>")
    more = f'<p class="soft">{escape(more_beats(table.hidden))}</p>' if table.hidden else ""
    kind = ' class="names"' if first_names else ""
    return (
        f"<div><table{kind}><caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>{more}</div>"
    )


def _words(is_words: bool) -> str:
    return ' class="words"' if is_words else ""


def _pictures(page: ReportPage) -> str:
    shown = "".join(_picture(picture) for view in page.views for picture in view.pictures)
    note = f'<p class="soft">{escape(page.picture_note)}</p>' if page.picture_note else ""
    if not shown:
        return note
    return f'<section class="pictures" aria-label="Pictures">{shown}</section>{note}'


def _picture(picture: Picture) -> str:
    height, width = picture.pixels.shape
    done, packed = cv2.imencode(".jpg", picture.pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done
    data = base64.b64encode(packed.tobytes()).decode("ascii")
    colour = {"ED": ED_ON_BLACK, "ES": ES_ON_BLACK}.get(picture.word, "#ffffff")
    drawn = "" if picture.outline is None else _outline(picture.outline, width, height, colour)
    title = f'<b style="color:{colour}">{escape(picture.title)}</b>' if picture.title else ""
    caption = f"<span>{escape(picture.caption)}</span>" if picture.caption else ""
    words = f"<figcaption>{title}{caption}</figcaption>" if title or caption else ""
    return (
        f'<figure style="aspect-ratio:{width}/{height}">'
        f'<img alt="{escape(picture.alt)}" width="{width}" height="{height}" '
        f'src="data:image/jpeg;base64,{data}">{drawn}{words}</figure>'
    )


def _outline(outline: Outline, width: int, height: int, colour: str) -> str:
    size = (width, height)
    chords = "".join(f"M{_points(chord, size)}" for chord in outline.chords)
    return (
        f'<svg viewBox="0 0 {width} {height}" aria-hidden="true" fill="none">'
        f'<path d="{chords}" stroke="{colour}" stroke-width="1" stroke-opacity=".6"/>'
        f'<path d="M{_points(outline.contour, size)}Z" stroke="{colour}" stroke-width="2.6" stroke-linejoin="round"/>'
        f'<path d="M{_points(outline.axis, size)}" stroke="#ffffff" stroke-width="1.6" stroke-dasharray="7 5"/></svg>'
    )


def _points(points: FloatArray, size: tuple[int, int]) -> str:
    return " ".join(f"{x * size[0]:.1f},{y * size[1]:.1f}" for x, y in points.tolist())


def _curves(views: tuple[ViewPart, ...]) -> str:
    drawn = "".join(
        f"<div>{curve_svg(view.curve, view.name, 720 if len(views) == 1 else 350)}</div>"
        for view in views
        if view.curve is not None
    )
    return f'<section class="curves" aria-label="Volume curve">{drawn}</section>' if drawn else ""


def _beats(views: tuple[ViewPart, ...]) -> str:
    tables = "".join(
        _table(view.beats, f"Beats {view.name}".strip()) for view in views if view.beats is not None
    )
    return f'<section class="beats" aria-label="Beats">{tables}</section>' if tables else ""


def _warnings(page: ReportPage) -> str:
    if not page.warnings:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in page.warnings)
    more = (
        f'<p class="soft">{escape(more_warnings(page.hidden_warnings))}</p>' if page.hidden_warnings else ""
    )
    return f'<section class="warnings"><h2>Warnings</h2><ul>{items}</ul>{more}</section>'


def _foot(page: ReportPage) -> str:
    return f'<footer>{_pairs(page.made, "made")}<p class="disclaimer">{escape(page.disclaimer)}</p></footer>'
