"""Warnings and reasons in a few words, by their codes: for tables with a line a clip."""

from __future__ import annotations

from collections.abc import Collection

# A table, by the alphabet.
SHORT_TEXT = {
    "all_beats_excluded": "no beat could be used",
    "assumed_frame_rate": "frame rate assumed",
    "assumed_square_pixels": "square pixels assumed",
    "average_rate": "average frame rate used",
    "axes_differ": "long axes differ",
    "axes_not_compared": "long axes not compared",
    "bad_aspect": "wrong pixel shape in file",
    "bad_timing": "wrong times in file",
    "beats_cross_range": "beats in different EF ranges",
    "beats_disagree": "beats disagree",
    "beats_excluded": "some beats left out",
    "beats_of_another_network": "beats found by another model",
    "black": "image is black",
    "blank_frames": "blank frames left out",
    "bug": "error in lvef",
    "cine_needed": "model needs a cine",
    "coarse_times": "coarse frame times",
    "colour_doppler": "colour Doppler",
    "colour_flow_region": "colour-flow region in file",
    "colour_space": "wrong colour space in file",
    "content_time": "times by content time",
    "contradictory_aspect": "two pixel shapes in file",
    "contradictory_heart_rate": "heart rate contradicts file",
    "contradictory_order": "two frame orders in file",
    "contradictory_rate": "two frame rates in file",
    "contradictory_scale": "two scales in file",
    "contradictory_study": "two studies in file",
    "corrected_by_reader": "corrected by a reader",
    "corrected_over_cycle": "correction over the cycle",
    "cut": "clip is cut",
    "cycles_differ": "cycle lengths differ",
    "damaged_frames": "damaged frames left out",
    "different_scale": "stills differ in scale",
    "different_size": "stills differ in size",
    "display_frame_rate": "display frame rate used",
    "doppler": "Doppler or M-mode",
    "doppler_region": "Doppler region in file",
    "doubtful_contours": "contours doubtful",
    "duplicate_frames": "frames shown twice",
    "edit_list": "hidden frames left out",
    "ef_clamped": "EF limited to 0-100",
    "es_above_ed": "ES larger than ED",
    "es_above_ed_lines": "ES larger than ED in tracing",
    "experimental_network": "experimental model",
    "faint_contraction": "faint contraction",
    "fan_is_small": "sector is small",
    "first_page": "only the first page read",
    "frame_count": "wrong frame count in file",
    "frame_order": "frames in a wrong order",
    "frame_rates_differ": "frame rates differ",
    "few_new_frames": "few new frames",
    "frame_size": "wrong frame size in file",
    "frames_by_hand": "frames chosen by hand",
    "freeze": "clip stands still",
    "grey_depth": "unusual grey depth",
    "heart_rates_differ": "heart rates differ",
    "implausible_scale": "implausible scale",
    "implausible_shape": "implausible contour",
    "implausible_shortening": "implausible shortening",
    "implausible_systole": "implausible systole",
    "interlaced": "interlaced video",
    "inverted": "grey levels inverted",
    "irregular_few_beats": "irregular, few beats",
    "irregular_rhythm": "irregular rhythm",
    "likely_copies": "frames likely repeated",
    "line_faults": "faulty volume tracings",
    "manual_scale": "scale given by hand",
    "mean_of_clips": "mean of windows",
    "mean_of_ratios": "mean of the beats' EFs",
    "missing_frames": "frames missing",
    "modality": "not stated as ultrasound",
    "models_disagree": "models disagree",
    "no_beats_found": "no beats found",
    "no_clear_phases": "no clear ED and ES",
    "no_contraction": "no contraction",
    "no_fan": "no ultrasound sector",
    "no_good_part": "no usable part of the clip",
    "no_interval": "no prediction interval",
    "no_pair": "A4C or A2C missing",
    "no_tracing": "ED or ES not traced",
    "no_ventricle": "no left ventricle",
    "no_whole_beat": "no complete beat",
    "noise": "image is noise",
    "not_a_still": "not a still",
    "not_apical": "not an A4C or A2C view",
    "not_measurable": "not measurable",
    "not_turned": "rotation not applied",
    "other_stills": "other stills left out",
    "other_video_streams": "several video streams",
    "palette_missing": "colour table missing",
    "patients_differ": "different patients",
    "pixel_layout": "wrong pixel layout in file",
    "played_back_and_forth": "clip shorter than model needs",
    "played_backward": "part played backward",
    "region_void": "region of file not used",
    "repeated_frames": "empty frames repeated",
    "repeated_loop": "clip repeats itself",
    "same_content": "same clip twice",
    "same_instance": "same image twice",
    "scale_contradicts_file": "scale contradicts file",
    "series_of_stills": "series read as a cine",
    "several_regions": "several regions in file",
    "single_beat": "one beat only",
    "single_plane": "one view without EF",
    "slow_frame_rate": "frame rate is low",
    "still": "a single frame",
    "stills": "stills, not a cine",
    "studies_differ": "different examinations",
    "study_choice": "views chosen from the study",
    "time_gap": "gap in time",
    "time_unit": "other time unit in file",
    "time_vector": "wrong time vector in file",
    "too_few_frames": "too few frames",
    "too_large": "not enough memory",
    "too_short": "clip is too short",
    "too_slow": "took too long",
    "too_uncertain": "EF too uncertain",
    "trace_region": "trace region in file",
    "tracing_needed": "model traces no ventricle",
    "truncated": "file is cut off",
    "turned": "image turned by 90 degrees",
    "two_sectors": "two sectors",
    "uneven_times": "uneven frame times",
    "unit_spacing": "implausible pixel spacing",
    "unreadable": "cannot be read",
    "untraced_frames": "some frames not traced",
    "upside_down": "image upside down",
    "ventricle_not_checked": "ventricle not checked",
    "view_changes": "view changes",
    "view_contradicts_file": "view contradicts file",
    "view_contradicts_image": "view contradicts image",
    "view_not_checked": "view not checked",
    "view_unsure": "view uncertain",
    "views_disagree": "views disagree",
    "views_swapped": "views swapped",
    "volume": "stack of slices",
    "walls_not_checked": "walls not checked",
    "weak_walls": "walls hardly visible",
    "wide_interval": "wide prediction interval",
    "wrong_suffix": "wrong file suffix",
    "zoom_changes": "zoom changes",
}
"""Code of a warning, a refusal or a failure -> at most 30 letters."""


def short_text(code: str) -> str:
    """A code in words.

    Example:
        >>> short_text("single_beat"), short_text("code_of_a_later_version")
        ('one beat only', 'code of a later version')
    """
    return SHORT_TEXT.get(code, code.replace("_", " "))


def first_note(reason_code: str, warnings: str, important: Collection[str]) -> str:
    """Why there is no EF, else the warning that matters most, with the number of further ones; empty without any.

    Args:
        reason_code: Of a clip without EF.
        warnings: Codes with semicolons between them, as in ``results.csv``.
        important: Codes that come before others.

    Example:
        >>> first_note("", "edit_list; weak_walls; single_beat", {"weak_walls"})
        'walls hardly visible (+2)'
        >>> first_note("no_fan", "edit_list", ())
        'no ultrasound sector'
    """
    if reason_code:
        return short_text(reason_code)
    codes = sorted(filter(None, warnings.split("; ")), key=lambda code: code not in important)
    if not codes:
        return ""
    return short_text(codes[0]) + (f" (+{len(codes) - 1})" if len(codes) > 1 else "")
