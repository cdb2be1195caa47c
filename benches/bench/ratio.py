"""What one sample costs, and how many times another's: the arithmetic of results. Knows their shape and nothing else."""

import math
import statistics


def cost(sample: dict) -> float:
    """CPU microseconds for each unit, user and system."""
    return sample["user_us"] + sample["system_us"]


def ratios(ours: list[dict], theirs: list[dict]) -> list[float]:
    """Round by round, so that what a slow minute does to both falls out."""
    return sorted(cost(mine) / cost(other) for mine, other in zip(ours, theirs) if cost(other))


def middle(samples: list[dict], key) -> float:
    return statistics.median(key(sample) for sample in samples)


def rank(values: list[float], share: float) -> float:
    """The least of them that so many of all are not above (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]
