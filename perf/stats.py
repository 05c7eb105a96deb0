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


# ---- two samples ----

# up to this many values a side the distribution of U is computed; beyond it the normal approximation is good
_EXACT_LIMIT = 20


def _u_statistic(first, second):
    """U of the first sample: pairs in which it is larger, ties one half."""
    return sum((a > b) + 0.5 * (a == b) for a in first for b in second)


def _u_counts(n, m):
    """How many of the orders of n + m distinct values give U = 0, 1, 2 ... n * m."""
    counts = [1] + [0] * (n * m)
    # the Gaussian binomial coefficient, factor by factor
    for i in range(1, n + 1):
        for u in range(n * m, m + i - 1, -1):
            counts[u] -= counts[u - m - i]
        for u in range(i, n * m + 1):
            counts[u] += counts[u - i]
    return counts


def _normal_p(u, first, second):
    n, m = len(first), len(second)
    values = sorted(first + second)
    ties = sum(count ** 3 - count for count in (values.count(v) for v in set(values)))
    total = n + m
    variance = n * m / 12 * ((total + 1) - ties / (total * (total - 1)))
    if variance == 0:
        return 1.0
    z = (abs(u - n * m / 2) - 0.5) / math.sqrt(variance)
    return min(1.0, math.erfc(max(z, 0.0) / math.sqrt(2)))


def mann_whitney(first, second):
    """Two-sided p of the hypothesis that both samples come from one distribution."""
    n, m = len(first), len(second)
    u = _u_statistic(first, second)
    if len(set(first + second)) < n + m or max(n, m) > _EXACT_LIMIT:
        return _normal_p(u, first, second)
    counts = _u_counts(n, m)
    tail = sum(counts[: int(min(u, n * m - u)) + 1])
    return min(1.0, 2 * tail / math.comb(n + m, n))


def holm(p_values):
    """Holm's adjustment for having asked several questions: the same list, larger or equal values."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = highest
    return adjusted


def spread(values):
    """Distance of the quartiles against the median: a row's own noise."""
    centre = median(values)
    return (quantile(values, 0.75) - quantile(values, 0.25)) / centre if centre else 0.0
