"""The body in space against independent numerical integration."""

from dataclasses import replace

import numpy as np
import pytest

from lvef.synthesis.phantom.anatomy import Ventricle, VentricleShape, WeakRegion

SHAPES = {
    "plain": VentricleShape(),
    "bent, sloping, twisted": VentricleShape(bend_mm=5, mitral_slope=-0.2, twist_deg=20),
    "weak apex and rippled": VentricleShape(
        ripples=((0.05, 2, 1, 0.3), (-0.04, 3, 2, 1.0)),
        weak_regions=(WeakRegion(0.2, 2.5, 0.2, 0.6, 0.8), WeakRegion(0.5, 0.0, 0.2, 0.5, 0.4)),
    ),
    "large and round": VentricleShape(
        length_mm=95, width_mm=75, bluntness=2.8, mitral_share=0.6, flatness=0.9
    ),
}


def surface(ventricle, v, *, epi=False, n_levels=400, n_angles=200):
    """Points ``(levels, angles, 3)`` of a surface, through `Ventricle.place`: bent, twisted and sloping as it is."""
    start = -ventricle.shape.apical_wall_mm / ventricle.shape.length_mm if epi else 0.0
    zeta = (start + (1 - start) * np.linspace(0, 1, n_levels) ** 2)[:, None]
    phi = np.linspace(0, 2 * np.pi, n_angles, endpoint=False)[None, :]
    squared = (ventricle.epi_squared if epi else ventricle.endo_squared)(zeta, phi, v)
    full = np.broadcast_to(phi, squared.shape), np.broadcast_to(zeta, squared.shape)
    return ventricle.place(full[1], full[0], np.sqrt(squared), v)


def enclosed_ml(points):
    """Volume inside a surface and its flat end by the divergence theorem: the sum of signed tetrahedra."""
    ring = np.roll(points, -1, axis=1)
    a, b, c, d = points[:-1], ring[:-1], points[1:], ring[1:]
    end, middle = points[-1], points[-1].mean(axis=0)

    def tetrahedra(p, q, r):
        return np.einsum("...i,...i->...", p, np.cross(q, r)).sum() / 6

    lid = tetrahedra(end, np.roll(end, -1, axis=0), np.broadcast_to(middle, end.shape))
    return abs(tetrahedra(a, b, d) + tetrahedra(a, d, c) + lid) / 1000


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("v", [1.1, 1.0, 0.7, 0.45])
def test_volume_is_that_of_the_body_in_space(name, v):
    ventricle = Ventricle(SHAPES[name])
    assert enclosed_ml(surface(ventricle, v)) == pytest.approx(v * ventricle.volume_ml, rel=0.005)


@pytest.mark.parametrize("name", SHAPES)
def test_wall_keeps_its_volume_over_the_beat(name):
    ventricle = Ventricle(SHAPES[name])
    walls = [
        enclosed_ml(surface(ventricle, v, epi=True)) - enclosed_ml(surface(ventricle, v))
        for v in (1.0, 0.7, 0.45)
    ]
    assert walls == pytest.approx([walls[0]] * 3, rel=0.01)


@pytest.mark.parametrize("name", SHAPES)
def test_a_wall_loss_takes_its_share_of_the_wall_and_nothing_of_the_cavity(name):
    ventricle, without = Ventricle(replace(SHAPES[name], wall_loss=0.4)), Ventricle(SHAPES[name])
    walls = [
        enclosed_ml(surface(ventricle, v, epi=True)) - enclosed_ml(surface(ventricle, v))
        for v in (1.0, 0.75, 0.5)
    ]
    assert walls == pytest.approx([walls[0], 0.9 * walls[0], 0.8 * walls[0]], rel=0.01)
    assert np.array_equal(surface(ventricle, 0.5), surface(without, 0.5))
    assert np.array_equal(surface(ventricle, 1.1, epi=True), surface(without, 1.1, epi=True))


def test_ellipsoid_in_closed_form():
    # widest at the mitral plane and no narrowing behind it: half an ellipsoid, 2/3 pi a b L
    shape = VentricleShape(
        length_mm=90, width_mm=50, widest=0.999999, bluntness=2, mitral_share=1, flatness=1.2
    )
    assert Ventricle(shape).volume_ml == pytest.approx(2 / 3 * np.pi * 25 * 25 * 90 / 1000, rel=1e-4)


def test_length_and_width_shrink_as_asked():
    ventricle = Ventricle(VentricleShape(length_power=0.25))
    assert ventricle.length_mm(0.5) == pytest.approx(85 * 0.5**0.25)
    widest = ventricle.shape.widest * np.ones(1)
    ratio = ventricle.endo_squared(widest, np.zeros(1), 0.5) / ventricle.endo_squared(
        widest, np.zeros(1), 1.0
    )
    assert float(ratio[0]) == pytest.approx(0.5**0.75)


def test_a_weak_region_moves_less_and_the_rest_more():
    ventricle = Ventricle(VentricleShape(weak_regions=(WeakRegion(0.4, 0.0, 0.2, 0.6, 0.8),)))
    zeta, phi = np.full(2, 0.4), np.array([0.0, np.pi])
    kept = np.sqrt(ventricle.endo_squared(zeta, phi, 0.5) / ventricle.endo_squared(zeta, phi, 1.0))
    assert kept[0] > 0.9
    assert kept[1] < np.sqrt(0.5**0.75)


def test_no_region_closes_up_above_the_smallest_volume():
    ventricle = Ventricle(SHAPES["weak apex and rippled"])
    zeta, phi = np.meshgrid(np.linspace(0.01, 1, 60), np.linspace(-np.pi, np.pi, 60), indexing="ij")
    squared = ventricle.endo_squared(zeta, phi, ventricle.smallest_v())
    assert (squared > 0).all()
