"""Does a command cost more when more is stored?

Method: one server is filled by bulk requests, records of 100 events of 100 bytes, ten in a row of each
entity, to 10⁴, 10⁵, 10⁶ and 10⁷ events; at each number 64 connections append single events with the
version expected. The hot set is 1,024 entities of the run's own; as a cold set, each request is the first
of a new entity, so that deciding has to find out that it is not there. What is held against the target is
the server's processor time a request by that of an empty reply in the same round: other load on the
machine moves both.
"""
import http.client
import statistics

from contenders import Tidemark, event
from figures import Figure, Plot, interleaved
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
            events = ",".join(f'{{"kind":"item","entity":"stored-{number // 10}",{text[1:]}'
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
    hot, cold, empty = {}, {}, {}
    with serving() as server:
        tidemark = Tidemark(server)
        stored = 0
        for step in [step for step in STEPS if step <= options.stored_max]:
            fill(tidemark, stored, step)
            stored = step
            tidemark.append(seconds=1)
            runs = interleaved(options.rounds, {
                "empty": lambda: tidemark.empty(seconds=options.seconds), "hot": lambda: tidemark.append(seconds=options.seconds),
                "cold": lambda: tidemark.append(seconds=options.seconds, entities=1_000_000 // 64)})
            empty[step], hot[step], cold[step] = runs["empty"], runs["hot"], runs["cold"]
            yield Figure(f"append with {step:,} events stored", "/s", [load.rate for load in hot[step]], [load.rate for load in empty[step]],
                         "GET /healthz", note=f"CPU {statistics.median(load.cpu for load in hot[step]):.1f} us each; new entities "
                              f"{statistics.median(load.rate for load in cold[step]):,.0f}/s, CPU "
                              f"{statistics.median(load.cpu for load in cold[step]):.1f} us")

    def cost(loads, step):
        return statistics.median(load.cpu / reply.cpu for load, reply in zip(loads[step], empty[step]))

    base, last = STEPS[1], max(hot)
    kinds = {"hot set of 1,024 entities": hot, "new entities": cold}
    for name, loads in kinds.items():
        if last > base:
            yield Figure(f"cost of a command at {last:,} events by that at {base:,}, {name}", "×", [cost(loads, last) / cost(loads, base)],
                         at_most=GROWTH_MAX, note=f"CPU {cost(loads, base):.2f} and {cost(loads, last):.2f} empty replies")
    yield Plot("CPU of an append by what is stored", "events stored", "empty replies", {
        name: [(step, cost(loads, step)) for step in loads] for name, loads in kinds.items()}, log_x=True)
