"""How sure a share is."""

from __future__ import annotations

from math import sqrt

Z = 1.959963984540054


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of the share hits / n (Wilson 1927); (0, 1) where nothing was counted.

    It stays within 0 and 1 and is right for small n and for shares near the ends, where p ± 1.96 s is not.
    """
    if n <= 0:
        return 0.0, 1.0
    share, spread = hits / n, Z * Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * sqrt(share * (1 - share) / n + spread / (4 * n))
    return (0.0 if hits <= 0 else max(0.0, middle - half)), (1.0 if hits >= n else min(1.0, middle + half))
