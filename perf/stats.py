"""The few statistics the host needs on its own: quantiles of small samples, spread, and the exactness check."""

import math


def quantile(values, q):
    """Linear interpolation between order statistics (type 7), for 0 <= q <= 1 and at least one value."""
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    low = math.floor(position)
    high = math.ceil(position)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def median(values):
    return quantile(values, 0.5)


def mean(values):
    return sum(values) / len(values)


def stddev(values):
    """Sample standard deviation; 0 for a single value."""
    if len(values) < 2:
        return 0.0
    centre = mean(values)
    return math.sqrt(sum((v - centre) ** 2 for v in values) / (len(values) - 1))


def geometric_mean(values):
    """Only for ratios."""
    return math.exp(sum(math.log(v) for v in values) / len(values))


def differing(samples_by_name):
    """Names whose samples are not all equal, with their lowest and highest: what an exact mode must not have."""
    return {
        name: (min(samples), max(samples))
        for name, samples in samples_by_name.items()
        if min(samples) != max(samples)
    }
