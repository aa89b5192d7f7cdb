"""Views that a file states: any except A4C and A2C is refused; one that contradicts the user raises a warning."""

from __future__ import annotations

from dataclasses import replace

from lvef.core.errors import QualityRefusal
from lvef.core.records import Clip, CodedWarning
from lvef.core.terms import MEASURABLE_VIEWS, View, ViewSource
from lvef.core.wording import VIEW_TEXT

NOT_APICAL = "not_apical"
"""Code of the refusal of a view from which no EF is measured."""


def stated_view_refusal(clip: Clip, given: View) -> QualityRefusal | None:
    """The refusal of a clip whose file states a view from which no EF is measured; None where there is nothing to refuse.

    Args:
        clip: Any clip.
        given: The view that the user gave. A user who gives one is believed: scanners keep the label of the view before.
    """
    if not states_other_view(clip) or given in MEASURABLE_VIEWS:
        return None
    return QualityRefusal(
        NOT_APICAL,
        f"{clip.source}: the file states {_stated(clip)}; an apical four- or two-chamber view was expected. "
        "Choose another clip; if the file is wrong, state the view with --view A4C or --view A2C.",
    )


def with_stated_view(clip: Clip, given: View) -> Clip:
    """The clip, with a warning and the view that counts where file and user contradict each other.

    Args:
        clip: Any clip.
        given: The view that the user gave.

    Raises:
        QualityRefusal: ``not_apical``, the file states a view from which no EF is measured.
    """
    refusal = stated_view_refusal(clip, given)
    if refusal is not None:
        raise refusal
    believed = not states_other_view(clip)
    if given is View.UNKNOWN or clip.view is given or (believed and clip.view is View.UNKNOWN):
        return clip
    text = f"The file states {_stated(clip)}, but {given} was given: "
    notice = CodedWarning(
        "view_contradicts_file",
        text + ("the view in the file is used." if believed else "the view given is used."),
    )
    clip = replace(clip, notices=(*clip.notices, notice))
    return clip if believed else replace(clip, view=View.UNKNOWN, view_statement="")


def states_other_view(clip: Clip) -> bool:
    """Whether the file states a view that is neither A4C nor A2C, one without a name in `View` among them."""
    return clip.view not in MEASURABLE_VIEWS and (clip.view is not View.UNKNOWN or bool(clip.view_statement))


def _stated(clip: Clip) -> str:
    """The stated view for people."""
    name = "another view" if clip.view is View.UNKNOWN else VIEW_TEXT[clip.view]
    return f"{name} ({clip.view_statement})" if clip.view_statement else name


def known_view(clip: Clip, given: View) -> tuple[View, str]:
    """The view that file or user state, and which of them (`ViewSource`); unknown and empty where none does.

    Args:
        clip: From `with_stated_view`.
        given: The view that the user gave.
    """
    if clip.view is not View.UNKNOWN:
        return clip.view, ViewSource.FILE
    return (given, ViewSource.USER) if given is not View.UNKNOWN else (View.UNKNOWN, "")
