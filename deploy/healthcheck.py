"""Whether the page or the service answers: exit 0 or 1. For container engines and monitors; standard library only.

    python healthcheck.py [URL ...]

Healthy if one of the addresses answers with 200. Without an address: the page and the service at their usual ports.
"""

from __future__ import annotations

import sys
import urllib.request

USUAL = ("http://127.0.0.1:8501/healthz", "http://127.0.0.1:8000/healthz")
"""The page of ``lvef app`` and the service of ``lvef serve``."""

PATIENCE_S = 4.0
"""Seconds until an address counts as dead; below the time that Docker and ECS allow for the whole check."""


def is_healthy(url: str) -> bool:
    """Whether an address answers with 200; proxies of the environment are not used."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=PATIENCE_S) as reply:
            return bool(reply.status == 200)
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    sys.exit(0 if any(is_healthy(url) for url in sys.argv[1:] or USUAL) else 1)
