"""What does the journal cost by itself? The lines of `journal_bench`, as figures.

Method: `journal_bench` (see the head of bench/journal_bench.cpp) measures in C++ and without a server:
bursts, saturated and sustained appends of 256-byte payloads next to a bare write and sync loop, one to
five topics, a sequential scan, and opening after a kill. It repeats what varies by itself.
"""
import os
import re
import subprocess

from figures import Figure


def run_bench(options, question):
    """The lines that the bench has to say to a question."""
    if not os.path.exists(options.journal_bench):
        raise RuntimeError(f"there is no {options.journal_bench}; build it: ninja -C build/release journal_bench")
    done = subprocess.run([options.journal_bench, question, "--directory", os.path.join(options.data, "journal"),
                           "--seconds", str(options.sustained_seconds), "--gigabytes", str(options.gigabytes)],
                          capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.startswith(question + ":")]


def numbers(lines, pattern):
    found = [float(match[1]) for line in lines if (match := re.search(pattern, line))]
    if not found:
        raise RuntimeError(f"journal_bench printed nothing like {pattern!r}: {lines}")
    return found


def burst(options):
    lines = run_bench(options, "burst")
    rate = numbers(lines, r"open loop: ([\d.]+) records/s")
    yield Figure("burst, 1 M records/s offered for 0.2 s, p99", "ms", [us / 1e3 for us in numbers(lines, r"p99 (\d+) us")],
                 at_most=1, note=f"taken at {min(rate):,.0f} records/s or faster")


def sustained(options):
    lines = run_bench(options, "sustained")
    yield Figure(f"sustained for {options.sustained_seconds} s, zeroing counted", "records/s",
                 numbers(lines, r"open loop: ([\d.]+) records/s"), at_least=400_000,
                 note=lines[0].partition("records/s, ")[2].partition(" (")[0])


def saturated(options):
    lines = run_bench(options, "saturated")
    yield Figure("saturated", "records/s", numbers(lines, r"saturated: ([\d.]+) records/s"),
                 numbers(lines, r"loop of the same size: ([\d.]+) records/s"), "bare write and sync of the same size",
                 share_at_least=0.9)


def topics(options):
    lines = run_bench(options, "topics")
    one, three, five = (numbers(lines, rf"topics: {count} .*: ([\d.]+) records/s") for count in (1, 3, 5))
    for count, rates in ((3, three), (5, five)):
        yield Figure(f"saturated, {count} topics", "records/s", rates, one, "one topic", share_at_least=0.95)


def scan(options):
    yield Figure("scan with CRC and chain check", "records/s", numbers(run_bench(options, "scan"), r"one thread: ([\d.]+) records/s"),
                 at_least=2_000_000)


def start(options):
    yield Figure(f"open after a kill with {options.gigabytes} GB of log", "s", numbers(run_bench(options, "start"), r"log: ([\d.]+) s until"),
                 at_most=1)


def measure(options):
    for question in (burst, sustained, saturated, topics, scan, start):
        yield from question(options)
