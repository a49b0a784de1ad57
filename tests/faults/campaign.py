"""Kills and failing file operations, one after another, and what each is held against."""

import random
import re
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, groupby
from pathlib import Path

from faults.driver import FAULTS, KILLS, Call, Driver, Result
from faults.scenarios import Scenario, State, value_of

SHARE_AT_RANDOM = 4  # one kill in so many comes at a random time, not at an operation
ONE_CHILD = 20  # times a file is damaged before a new process is forked
DEPTH = 4  # kills of one index before it is left in peace


@dataclass
class Tally:
    """What was injected, by scenario and step, and what came out wrong."""

    injected: Counter[tuple[str, str]] = field(default_factory=Counter)
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.injected.total()

    def __str__(self) -> str:
        steps = [f"{n:7,}  {scenario:8} {step}" for (scenario, step), n in self.injected.items()]
        ends = [f"{n:7,}  {kind:16} {end}" for (kind, end), n in sorted(self.ends.items())]
        last = f"{self.total:7,}  in all, {len(self.wrong)} wrong"
        return "\n".join([*sorted(steps), *ends, last, *self.wrong[:20]])


def step_name(step: str) -> str:
    """A step without the number of its segment, and without a digest or a random name."""
    return re.sub(r"-[0-9a-f]{16,}", "-DIGEST", re.sub(r"\d{6}\.npy", "NNNNNN.npy", step))


def edges(steps: Sequence[str]) -> list[int]:
    """Of each run of equal steps the first and the last, counted from 1."""
    found, place = [], 1
    for _, run in groupby(steps):
        length = len(list(run))
        found += sorted({place, place + length - 1})
        place += length
    return found


def kill(scenarios: Sequence[Scenario], count: int, *, seed: int = 0) -> Tally:
    """Kill operations `count` times: at every step of every scenario in a shuffled order and at
    random times; a run that takes up again after a kill is killed again, up to DEPTH times."""
    tally = Tally()
    dice = random.Random(seed)
    points: Iterator[tuple[Scenario, str, int]] = iter(())
    lengths = {s.name: _seconds(s) for s in scenarios}
    steps = {(s.name, kind): s.steps(KILLS[kind]) for s in scenarios for kind in KILLS}
    everywhere = [
        (s, kind, n) for s in scenarios for kind in KILLS for n in edges(steps[s.name, kind])
    ]
    while tally.total < count:
        point = next(points, None)
        if point is None:
            dice.shuffle(everywhere)
            points = iter(everywhere)
            continue
        scenario, kind, n = point
        scenario.begin()
        state = scenario.before
        for _ in range(min(dice.randint(1, DEPTH), count - tally.total)):
            if dice.randrange(SHARE_AT_RANDOM):
                call, moment = scenario.call(KILLS[kind], n), None
            else:
                call, moment = scenario.call(), dice.uniform(0, lengths[scenario.name])
            answer = scenario.driver.request(call, kill_after=moment)
            if answer.signal != signal.SIGKILL:  # it ended before its turn to be killed came
                if answer.signal:
                    tally.wrong.append(f"{scenario.name}: died of signal {answer.signal}")
                break
            step = "at a random time" if moment else f"{kind} {step_name(answer.steps[-1])}"
            tally.injected[scenario.name, step] += 1
            state, faults = _look_between(scenario, state)
            if faults:
                tally.wrong.append(f"{scenario.name}, {step} {n}: {faults}")
                break
            kind = dice.choice(list(KILLS))
            n = dice.randint(1, len(steps[scenario.name, kind]))
        ended = scenario.driver.request(scenario.call(armed=False), scenario.look())
        end = _failure(ended.results) or scenario.end(ended.results[1].value)
        if end:
            tally.wrong.append(f"{scenario.name}, {kind} {n}, run again: {end}")
    return tally


def fail(
    scenario: Scenario, kinds: Sequence[str] = tuple(FAULTS), *, most: int | None = None
) -> Tally:
    """Let each operation of a scenario fail in each way: the run must end with a clean error and a
    whole index, or do all that it should; then, in the same process, a second run must.

    most: at most so many of each kind, spread over the run.
    """
    tally = Tally()
    for kind in kinds:
        steps = scenario.steps(FAULTS[kind])
        places = range(1, len(steps) + 1) if most is None else edges(steps)
        for n in places[:: max(1, len(places) // (most or len(places)))]:
            scenario.begin()
            again = scenario.call(armed=False)
            calls = [scenario.call(FAULTS[kind], n), scenario.look(), again, scenario.look()]
            answer = scenario.driver.request(*calls)
            where = f"{kind} {step_name(steps[n - 1])}"
            tally.injected[scenario.name, where] += 1
            faults = [f"died of signal {answer.signal}"] if answer.signal else []
            if not faults:
                first, *rest = answer.results
                if first.error and not (first.clean and first.message):
                    faults.append(f"raised {first.error}: {first.message}")
                tally.ends[kind, first.error or "done"] += 1
                faults += _failure(rest) or [
                    *(
                        scenario.between(rest[0].value, scenario.before)
                        if first.error
                        else scenario.end(rest[0].value)
                    ),
                    *scenario.end(rest[2].value),
                ]
            if faults:
                tally.wrong.append(f"{scenario.name}, {where} {n}: {faults}")
    return tally


def damage_files(
    driver: Driver,
    action: str,
    folder: Path,
    count: int,
    arguments: Sequence[str],
    *,
    seed: int = 0,
) -> Tally:
    """Damage the files below `folder` `count` times, in turn and at random places. action: a
    function of faults.damages that takes a file, ways to damage it, and the arguments."""
    tally = Tally()
    dice = random.Random(seed)
    kinds = defaultdict(list)
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.stat().st_size:
            kinds[step_name(str(file.relative_to(folder)))].append(file)
    for kind in cycle(kinds):
        if tally.total == count:
            break
        file = dice.choice(kinds[kind])
        name, size = str(file.relative_to(folder)), file.stat().st_size
        damages = []
        for _ in range(min(ONE_CHILD, count - tally.total)):
            how = dice.choice(["flip", "flip", "flip", "cut", "zero"])
            damages.append((how, dice.randrange(8 * size if how == "flip" else size)))
            tally.injected[kind, how] += 1
        answer = driver.request(Call(action, (name, damages, *arguments)))
        if answer.signal or answer.results[0].error:
            tally.wrong.append(
                f"{name}, one of {damages}: {_failure(answer.results)}, {answer.signal}"
            )
            continue
        for (how, place), ends in zip(damages, answer.results[0].value, strict=True):
            tally.ends[how, ", ".join(end.split(":")[0] for end in ends)] += 1
            if any(end == "OTHER" or end.startswith("RAISED") for end in ends):
                tally.wrong.append(f"{name}, {how} at {place}: {ends}")
    return tally


def _failure(results: Sequence[Result]) -> list[str]:
    return [f"{r.error}: {r.message}" for r in results if r.error]


def _look_between(scenario: Scenario, before: State) -> tuple[State, list[str]]:
    answer = scenario.driver.request(scenario.look())
    if answer.signal or answer.results[0].error:
        return before, _failure(answer.results) or [f"signal {answer.signal}"]
    state = answer.results[0].value
    return state, scenario.between(state, before)


def _seconds(scenario: Scenario) -> float:
    """How long an undisturbed run takes, about."""
    scenario.begin()
    start = time.monotonic()
    value_of(scenario.driver.request(scenario.call()).results[0], scenario.name)
    return time.monotonic() - start
