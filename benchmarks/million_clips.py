"""Time and price of an archive on paper: throughput of 1 to 200 nodes from the measured cost of a clip.

    python benchmarks/million_clips.py [--clips 1000000] [--cores 16] [--clip-s 2.0] [--node-price 0.80] ...

The costs are arguments: measure your own with `benchmarks/measure.py`, `benchmarks/distributed.py` and one node.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields

NODES = (1, 2, 5, 10, 20, 50, 100, 200)


@dataclass(frozen=True)
class Costs:
    """What a clip costs, and what a node is."""

    clips: int = 1_000_000
    """Clips of the archive."""
    clip_s: float = 0.66
    """Seconds of one processor for a clip: decoding, inference, tracing."""
    fetch_s: float = 0.05
    """Seconds until the first byte of a file from storage."""
    clip_mb: float = 0.5
    """Size of a clip, in 10^6 bytes."""
    row_kb: float = 6.0
    """Size of its row in the results, in 10^3 bytes."""
    hand_out_ms: float = 0.7
    """Milliseconds of the command's processor to hand out a clip and take its result."""
    piece_ms: float = 3.0
    """Milliseconds that a worker waits between two clips."""
    cores: int = 16
    """Workers of a node, each with a processor."""
    node_gbit: float = 5.0
    """Network of a node, in 10^9 bits a second."""
    start_s: float = 180.0
    """Seconds from asking for a node to its first clip; it is paid."""
    tail_s: float = 60.0
    """Seconds at the end in which few workers still have a clip."""
    node_price: float = 0.80
    """Price of a node for an hour. An example, no quotation."""
    stored_price: float = 0.023
    """Price of 10^9 bytes in storage for a month. An example."""
    request_price: float = 0.0000004
    """Price of reading a file once. An example."""


@dataclass(frozen=True)
class Estimate:
    """Time and price with so many nodes."""

    nodes: int
    clips_a_second: float
    hours: float
    efficiency_percent: float
    limit: str
    compute_price: float
    requests_price: float


def node_rate(costs: Costs) -> tuple[float, str]:
    """Clips a second of one node, and what limits it."""
    by_processor = costs.cores / (costs.clip_s + costs.fetch_s + costs.piece_ms / 1000 + transfer_s(costs))
    by_network = costs.node_gbit * 1e9 / 8 / (costs.clip_mb * 1e6)
    return min((by_processor, "processor"), (by_network, "network"))


def transfer_s(costs: Costs) -> float:
    """Seconds for the bytes of a clip, where all workers of the node share its network."""
    return costs.clip_mb * 1e6 * 8 / (costs.node_gbit * 1e9)


def estimate(costs: Costs, nodes: int) -> Estimate:
    """Time and price with so many nodes."""
    one, limit = node_rate(costs)
    by_command = 1000 / costs.hand_out_ms if costs.hand_out_ms else float("inf")
    rate, limit = min((nodes * one, limit), (by_command, "command"))
    seconds = costs.start_s + costs.clips / rate + costs.tail_s
    return Estimate(
        nodes,
        costs.clips / seconds,
        seconds / 3600,
        100 * costs.clips / seconds / (nodes * one),
        limit,
        nodes * seconds / 3600 * costs.node_price,
        costs.clips * costs.request_price,
    )


def stored_a_month(costs: Costs) -> float:
    """Price of keeping clips and results for a month."""
    return costs.clips * (costs.clip_mb / 1e3 + costs.row_kb / 1e6) * costs.stored_price


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for field in fields(Costs):
        kind = type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    costs = Costs(**vars(parser.parse_args()))
    print(
        "| nodes | clips/s | hours | efficiency | limit | compute | requests |\n|---|---|---|---|---|---|---|"
    )
    for nodes in NODES:
        e = estimate(costs, nodes)
        print(
            f"| {nodes} | {e.clips_a_second:.1f} | {e.hours:.1f} | {e.efficiency_percent:.0f} % | {e.limit} "
            f"| {e.compute_price:.0f} | {e.requests_price:.2f} |"
        )
    print(f"\nStorage: {stored_a_month(costs):.0f} a month.")


if __name__ == "__main__":
    main()
