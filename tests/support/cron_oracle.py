#!/usr/bin/env python3
"""Compares schedule lines with Python: zoneinfo for the zones, minute by minute for cron.

usage: cron_oracle.py PROGRAM [--full]

PROGRAM answers {"expr","tz","start","n"} lines on its standard input. Two questions are asked:
1. the offset of every zone at many instants from 1970 to 2100, and one minute around each change;
2. random expressions around the changes of some zones up to 2100.
The default takes a few seconds; --full asks about every zone and month.
"""

import functools
import json
import random
import subprocess
import sys
import zoneinfo
from datetime import datetime, timedelta, timezone

UTC = timezone.utc
FIRST = datetime(1970, 1, 2, tzinfo=UTC)
LAST = datetime(2100, 1, 1, tzinfo=UTC)
HARD_ZONES = [
    "Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
    "Antarctica/Troll", "America/Havana", "Asia/Gaza", "Pacific/Apia", "Europe/Dublin",
    "Africa/Cairo", "Pacific/Chatham", "America/Nuuk", "Asia/Jerusalem", "America/Santiago",
    "Asia/Kathmandu", "UTC",
]


def ask(program, lines):
    """The answers to all lines, in order."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(lines), f"{len(lines)} lines, {len(answers)} answers"
    return answers


@functools.lru_cache(maxsize=None)
def changes_of(zone):
    """Instants (to the minute, rounded up) at which the offset changes, found by bisection."""
    found = []
    step = timedelta(days=7)
    at = FIRST
    while at < LAST:
        low, high = at, at + step
        if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
            while high - low > timedelta(minutes=1):
                middle = (low + (high - low) / 2).replace(second=0, microsecond=0)
                if middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset():
                    low = middle
                else:
                    high = middle
            found.append(high)
        at += step
    return found


def offset_questions(names, full):
    rng = random.Random(1)
    for name in names:
        zone = zoneinfo.ZoneInfo(name)
        instants = []
        for year in range(1970, 2100):
            for month in range(1, 13) if full else (1, 7):
                day = rng.randrange(2, 28)
                instants.append(datetime(year, month, day, rng.randrange(24), tzinfo=UTC))
        if full or name in HARD_ZONES:
            for change in changes_of(zone):
                instants += [change - timedelta(minutes=2), change, change + timedelta(minutes=2)]
        for at in instants:
            yield name, zone, at


def check_offsets(program, names, full):
    questions = list(offset_questions(names, full))
    lines = [{"expr": "* * * * *", "tz": name, "start": at.isoformat(), "n": 1}
             for name, _, at in questions]
    wrong = 0
    for (name, zone, at), answer in zip(questions, ask(program, lines)):
        # An offset that is no whole minute moves the next local minute within one minute.
        got = datetime.fromisoformat(answer["next"][0])
        want = got.astimezone(zone)
        if not at < got <= at + timedelta(minutes=1) or got.isoformat() != want.isoformat():
            wrong += 1
            print(f"{name}: after {at.isoformat()} got {got.isoformat()}, want {want.isoformat()}")
    print(f"offsets: {len(questions)} instants of {len(names)} zones, {wrong} wrong")
    return wrong


def random_field(rng, low, high, star_chance):
    """A field as text and the set of its values."""
    if rng.random() < star_chance:
        step = rng.choice([1, 1, rng.randrange(2, high)])
        text = "*" if step == 1 else f"*/{step}"
        return text, set(range(low, high + 1, step))
    texts, values = [], set()
    for _ in range(rng.randrange(1, 4)):
        a, b = sorted((rng.randrange(low, high + 1), rng.randrange(low, high + 1)))
        form = rng.randrange(3)
        if form == 0:
            texts.append(str(a))
            values.add(a)
        elif form == 1:
            texts.append(f"{a}-{b}")
            values |= set(range(a, b + 1))
        else:
            step = rng.randrange(1, 6)
            texts.append(f"{a}-{b}/{step}")
            values |= set(range(a, b + 1, step))
    return ",".join(texts), values


class Cron:
    def __init__(self, rng):
        bounds = [(0, 59, 0.3), (0, 23, 0.3), (1, 31, 0.8), (1, 12, 0.9), (0, 6, 0.8)]
        self.texts, self.sets = zip(*(random_field(rng, *bound) for bound in bounds))
        self.text = " ".join(self.texts)
        self.stars = [text.startswith("*") for text in self.texts]

    def matches(self, local):
        minute, hour, dom, month, dow = self.sets
        if local.minute not in minute or local.hour not in hour or local.month not in month:
            return False
        of_month = local.day in dom
        of_week = local.isoweekday() % 7 in dow
        if self.stars[2] or self.stars[4]:
            return of_month and of_week
        return of_month or of_week

    def firings(self, zone, start, minutes):
        """Firings in (start, start + minutes], by trying each minute."""
        every = self.stars[0] or self.stars[1]
        one = timedelta(minutes=1)
        at = start - timedelta(hours=30)
        reached = at.astimezone(zone).replace(tzinfo=None)
        found = []
        while at < start + minutes * one:
            at += one
            local = at.astimezone(zone).replace(tzinfo=None)
            if every:
                fires = self.matches(local)
            else:
                fires = False
                while reached < local:
                    reached += one
                    fires = self.matches(reached) or fires
            if fires and at > start:
                found.append(at.astimezone(zone).isoformat())
        return found


def check_crons(program, full):
    rng = random.Random(2)
    cases = []
    for name in HARD_ZONES:
        zone = zoneinfo.ZoneInfo(name)
        # Offsets of whole minutes only: this oracle walks by minutes.
        changes = [c for c in changes_of(zone) if c.year > 1975]
        changes = changes or [datetime(2050, 3, 1, tzinfo=UTC)]
        for _ in range(100 if full else 8):
            start = rng.choice(changes) - timedelta(hours=rng.randrange(2, 20))
            cases.append((Cron(rng), name, zone, start))
    minutes = 48 * 60
    lines = [{"expr": cron.text, "tz": name, "start": start.isoformat(), "n": 3000}
             for cron, name, _, start in cases]
    wrong = 0
    for (cron, name, zone, start), answer in zip(cases, ask(program, lines)):
        want = cron.firings(zone, start, minutes)
        if "error" in answer:
            ok = answer["error"]["code"] == "never_fires" and not want
            got = list(answer)
        else:
            end = start + timedelta(minutes=minutes)
            got = [text for text in answer["next"] if datetime.fromisoformat(text) <= end]
            ok = got == want
        if not ok:
            wrong += 1
            extra = sorted(set(got) - set(want))[:3]
            missing = sorted(set(want) - set(got))[:3]
            print(f"{cron.text} in {name} after {start.isoformat()}:",
                  f"wrong {extra}, missing {missing}")
    print(f"crons: {len(cases)} expressions, {wrong} wrong")
    return wrong


def main():
    program = sys.argv[1]
    full = "--full" in sys.argv[2:]
    # The names of the system's own files: a zoneinfo package may be newer than they are.
    zoneinfo.reset_tzpath(["/usr/share/zoneinfo"])
    names = sorted(n for n in zoneinfo.available_timezones() if n[0].isupper() and n != "Factory")
    if not full:
        names = [n for i, n in enumerate(names) if i % 8 == 0 or n in HARD_ZONES]
    wrong = check_offsets(program, names, full) + check_crons(program, full)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
