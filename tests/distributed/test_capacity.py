import pytest

from benchmarks.million_clips import Costs, estimate, node_rate

SIMPLE = Costs(
    clips=36_000,
    clip_s=2.0,
    fetch_s=0.0,
    clip_mb=0.001,
    hand_out_ms=1.0,
    piece_ms=0.0,
    cores=10,
    start_s=0.0,
    tail_s=0.0,
)


def test_one_node_works_as_fast_as_its_processors():
    found = estimate(SIMPLE, 1)
    assert node_rate(SIMPLE)[1] == "processor"
    assert found.clips_a_second == pytest.approx(5.0, rel=1e-4)
    assert found.hours == pytest.approx(2.0, rel=1e-4)
    assert found.compute_price == pytest.approx(2 * SIMPLE.node_price, rel=1e-4)


def test_two_nodes_take_half_the_time_for_the_same_price():
    one, two = estimate(SIMPLE, 1), estimate(SIMPLE, 2)
    assert two.hours == pytest.approx(one.hours / 2)
    assert two.compute_price == pytest.approx(one.compute_price)
    assert two.efficiency_percent == pytest.approx(100.0)


def test_the_command_limits_many_nodes():
    found = estimate(SIMPLE, 1000)
    assert found.limit == "command"
    assert found.clips_a_second == pytest.approx(1000.0)


def test_the_network_limits_large_files():
    from dataclasses import replace

    costs = replace(SIMPLE, clip_mb=1000.0, node_gbit=8.0)
    rate, limit = node_rate(costs)
    assert limit == "network"
    assert rate == pytest.approx(1.0)
