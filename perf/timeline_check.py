"""Is a document right Chrome trace JSON that viewers show as it was meant? Strict: nothing the format leaves to a
viewer's goodwill. Used on everything that is written, and by the tests."""

import collections

_NEEDS = {
    "M": ("name", "pid", "tid", "args"),
    "X": ("name", "cat", "ts", "dur", "pid", "tid"),
    "B": ("name", "ts", "pid", "tid"),
    "E": ("ts", "pid", "tid"),
    "i": ("name", "ts", "pid", "tid", "s"),
    "s": ("name", "cat", "id", "ts", "pid", "tid"),
    "f": ("name", "cat", "id", "ts", "pid", "tid", "bp"),
}


def _shape(events):
    for number, item in enumerate(events):
        phase = item.get("ph")
        if phase not in _NEEDS:
            yield f"event {number}: ph '{phase}' is not one of {' '.join(_NEEDS)}"
            continue
        missing = [key for key in _NEEDS[phase] if key not in item]
        if missing:
            yield f"event {number} ({phase}): no {', '.join(missing)}"
        for key in ("ts", "dur"):
            value = item.get(key, 0)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                yield f"event {number} ({phase}): {key} is {value!r}"
        for key in ("pid", "tid"):
            if not isinstance(item.get(key), int) or item[key] < 0:
                yield f"event {number} ({phase}): {key} is {item.get(key)!r}"


def _order(timed):
    for before, after in zip(timed, timed[1:]):
        if after["ts"] < before["ts"]:
            yield f"{after['name']} at {after['ts']} stands behind {before['name']} at {before['ts']}"


def _slices_of(track):
    """(begin, end, name) of a track's slices, and what is wrong with its B and E."""
    slices, problems, opened = [], [], []
    for item in track:
        if item["ph"] == "X":
            slices.append((item["ts"], item["ts"] + item["dur"], item["name"]))  # as a viewer adds them
        elif item["ph"] == "B":
            opened.append(item)
        elif item["ph"] == "E":
            if not opened:
                problems.append(f"an end at {item['ts']} without a beginning")
                continue
            begun = opened.pop()
            if "name" in item and item["name"] != begun["name"]:
                problems.append(f"{item['name']} ends where {begun['name']} is open")
            slices.append((begun["ts"], item["ts"], begun["name"]))
    problems += [f"{item['name']} at {item['ts']} never ends" for item in opened]
    return sorted(slices, key=lambda s: (s[0], -s[1])), problems


def _nesting(slices):
    around = []
    for begin, end, name in slices:
        while around and around[-1][0] <= begin:
            around.pop()
        if around and end > around[-1][0]:
            yield f"{name} ({begin}-{end}) overlaps the end of {around[-1][1]} ({around[-1][0]})"
        around.append((end, name))


def _flows(events, slices):
    ends = collections.defaultdict(list)
    for item in events:
        if item["ph"] in "sf":
            ends[(item["cat"], item["id"])].append(item)
            at = item["ts"]
            if not any(begin <= at <= end for begin, end, _ in slices.get((item["pid"], item["tid"]), [])):
                yield f"flow {item['id']} ({item['ph']}) at {item['ts']} touches no slice"
    for (category, number), items in ends.items():
        if [item["ph"] for item in items] != ["s", "f"]:
            yield f"flow {category} {number} has {' '.join(item['ph'] for item in items)}, not s f"
        elif items[0]["name"] != items[1]["name"] or items[1]["bp"] != "e":
            yield f"flow {category} {number}: its ends do not agree"


def _names(events):
    named = {(i["pid"], i["tid"]) for i in events if i["ph"] == "M" and i["name"] == "thread_name"}
    processes = {i["pid"] for i in events if i["ph"] == "M" and i["name"] == "process_name"}
    for track in sorted({(i["pid"], i["tid"]) for i in events if i["ph"] != "M"}):
        if track not in named:
            yield f"track {track} has no thread_name"
        if track[0] not in processes:
            yield f"process {track[0]} has no process_name"


def problems(document):
    """What is wrong, one line each; an empty list for a right document."""
    if not isinstance(document, dict) or not isinstance(document.get("traceEvents"), list):
        return ["no list traceEvents"]
    found = [] if document.get("displayTimeUnit") in ("ms", "ns") else ["displayTimeUnit is neither ms nor ns"]
    events = document["traceEvents"]
    found += _shape(events)
    if found:
        return found
    timed = [item for item in events if item["ph"] != "M"]
    found += _order(timed)
    tracks = collections.defaultdict(list)
    for item in timed:
        tracks[(item["pid"], item["tid"])].append(item)
    slices = {}
    for track, items in tracks.items():
        slices[track], wrong = _slices_of(items)
        found += [f"track {track}: {text}" for text in wrong]
        found += [f"track {track}: {text}" for text in _nesting(slices[track])]
    found += _flows(timed, slices)
    found += _names(events)
    return found
