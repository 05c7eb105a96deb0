"""The few statistics the host needs on its own: quantiles of small samples, spread, and the exactness check."""

import math

from x import setup


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


def mann_whitney(first, second):
    """Two-sided p of the hypothesis that both samples come from one distribution."""
    setup.need("compare")
    from scipy.stats import mannwhitneyu  # pylint: disable=import-outside-toplevel; a second to load

    if len(set(first + second)) == 1:
        return 1.0
    tied = len(set(first + second)) < len(first) + len(second)
    method = "asymptotic" if tied or max(len(first), len(second)) > _EXACT_LIMIT else "exact"
    return float(mannwhitneyu(first, second, alternative="two-sided", method=method).pvalue)


def least_p(first, second):
    """The least p that Mann-Whitney's exact test can give for samples of these sizes."""
    return 2 / math.comb(first + second, first)


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


# Changes from run to run that a history must hold before it says what is usual.
_HISTORY_LEAST = 5


def usual_change(history):
    """How much a row may differ from one run to the next, as a share: the upper fence (third quartile and three times
    the distance of the quartiles) of the changes in its history, so that a single real change in it does not count."""
    changes = [abs(b / a - 1) for a, b in zip(history, history[1:]) if a]
    if len(changes) < _HISTORY_LEAST:
        return 0.0
    low, high = quantile(changes, 0.25), quantile(changes, 0.75)
    return high + 3 * (high - low)
