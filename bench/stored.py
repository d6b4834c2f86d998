"""Does a command cost more when more is stored?

Method: one server is filled by bulk requests, records of 100 events of 100 bytes under keys that occur
once in ten events, to 10⁴, 10⁵, 10⁶ and 10⁷ events; at each number 64 connections append single events with
the version expected. The hot set is 1,024 entities of the run's own; as a cold set, each request is the
first of a new entity, so that deciding has to find out that it is not there. What is held against the
target is the server's processor time a request, which other load on the machine hardly moves.
"""
import http.client
import statistics

from contenders import Tidemark, event
from figures import Figure, Plot
from load import serving

STEPS = (10_000, 100_000, 1_000_000, 10_000_000)
IN_RECORD, RECORDS = 100, 200
GROWTH_MAX = 1.25


def fill(tidemark, begin, end):
    """Events number `begin` to `end`, a tenth as many entities."""
    text = event(100)
    connection = http.client.HTTPConnection("127.0.0.1", tidemark.port, timeout=120)
    while begin < end:
        lines = []
        for _ in range(RECORDS):
            events = ",".join(f'{{"kind":"item","entity":"stored-{number * 7919 % (STEPS[-1] // 10)}",{text[1:]}'
                              for number in range(begin, min(begin + IN_RECORD, end)))
            lines.append(f'{{"events":[{events}]}}\n')
            begin = min(begin + IN_RECORD, end)
            if begin == end:
                break
        connection.request("POST", "/v2/products/bench/events", "".join(lines), {
            "Content-Type": "application/x-ndjson", "Authorization": f"Bearer {tidemark.client.key}"})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200 or b'"problem"' in said:
            raise RuntimeError(f"{answer.status}: {said[-500:]!r}")


def measure(options):
    hot, cold = {}, {}
    with serving() as server:
        tidemark = Tidemark(server)
        stored = 0
        for step in [step for step in STEPS if step <= options.stored_max]:
            fill(tidemark, stored, step)
            stored = step
            tidemark.append(seconds=1)
            hot[step] = [tidemark.append(seconds=options.seconds) for _ in range(options.rounds)]
            cold[step] = [tidemark.append(seconds=options.seconds, entities=1_000_000 // 64) for _ in range(options.rounds)]
            yield Figure(f"append with {step:,} events stored", "/s", [load.rate for load in hot[step]],
                         note=f"CPU {statistics.median(load.cpu for load in hot[step]):.1f} us each; new entities "
                              f"{statistics.median(load.rate for load in cold[step]):,.0f}/s, CPU "
                              f"{statistics.median(load.cpu for load in cold[step]):.1f} us")
    base, last = STEPS[1], max(hot)
    for name, loads in (("hot set of 1,024 entities", hot), ("new entities", cold)):
        if last > base:
            grown = statistics.median(load.cpu for load in loads[last]) / statistics.median(load.cpu for load in loads[base])
            yield Figure(f"CPU of a command at {last:,} events by that at {base:,}, {name}", "×", [grown], at_most=GROWTH_MAX)
    yield Plot("CPU of an append by what is stored", "events stored", "us", {
        name: [(step, statistics.median(load.cpu for load in some)) for step, some in loads.items()]
        for name, loads in (("hot set of 1,024 entities", hot), ("new entities", cold))}, log_x=True)
