"""Crossing chords and chords off their axis, in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.geometry.volume_tracing import OFF_AXIS_DEG, volume_tracing_defects


def upright(half=10.0, length=100.0):
    """An axis down the picture with 20 chords across it, ``(21, 2, 2)``."""
    y = (np.arange(20) + 0.5) * length / 20
    chords = np.stack([np.stack([np.full(20, -half), y], 1), np.stack([np.full(20, half), y], 1)], axis=1)
    return np.concatenate([[[[0.0, 0.0], [0.0, length]]], chords])


def turned_about(lines, degrees):
    angle = np.radians(degrees)
    return lines @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


@pytest.mark.parametrize("degrees", [0, 37, 90, 180, 251])
def test_good_lines_have_no_faults_however_they_lie(degrees):
    faults = volume_tracing_defects(turned_about(upright(), degrees)[None] + 300)
    assert faults.crossing.tolist() == [0]
    assert faults.off_axis.tolist() == [0]


def test_each_frame_is_counted_by_itself():
    swapped, two = upright(), upright()
    swapped[[5, 6], 1] = swapped[[6, 5], 1]
    two[[5, 6], 1] = two[[6, 5], 1]
    two[[15, 16], 0] = two[[16, 15], 0]
    assert volume_tracing_defects(np.stack([upright(), swapped, two])).crossing.tolist() == [0, 1, 2]


def test_chords_that_touch_do_not_cross():
    lines = upright()
    lines[6, 0] = lines[5, 0]
    assert volume_tracing_defects(lines[None]).crossing.tolist() == [0]


@pytest.mark.parametrize(("degrees", "off"), [(0, 0), (OFF_AXIS_DEG - 1, 0), (OFF_AXIS_DEG + 1, 1), (90, 1)])
def test_aslant(degrees, off):
    lines = upright()
    middle = lines[8].mean(axis=0)
    lines[8] = turned_about(lines[8] - middle, degrees) + middle
    assert volume_tracing_defects(lines[None]).off_axis.tolist() == [off]


def test_beside_the_axis_and_beyond_its_ends():
    lines = upright()
    lines[3] += [25, 0]
    lines[20, :, 1] = 105
    lines[1, :, 1] = -5
    assert volume_tracing_defects(lines[None]).off_axis.tolist() == [3]


def test_a_chord_or_an_axis_without_length_is_off():
    lines = upright()
    lines[4, 1] = lines[4, 0]
    assert volume_tracing_defects(lines[None]).off_axis.tolist() == [1]
    lines[0, 1] = lines[0, 0]
    assert volume_tracing_defects(lines[None]).off_axis.tolist() == [20]
