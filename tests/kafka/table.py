"""What tests of faults have seen, as lines of one table: fault | promise | seen.

A test adds its lines as it goes; where KAFKA_TABLE names a directory they stay there, a file for each test program.

    table.py DIRECTORY         prints them all
"""
import os
import sys

HEAD = ("fault", "promise", "seen")


def text(rows):
    widths = [max(len(row[column]) for row in [HEAD, *rows]) for column in (0, 1)]
    return "\n".join(f"{fault:{widths[0]}} | {promise:{widths[1]}} | {seen}" for fault, promise, seen in [HEAD, *rows])


def keep(rows, name):
    """Prints them, and leaves them for the one table."""
    if not rows:
        return
    print(text(rows), file=sys.stderr, flush=True)
    if directory := os.environ.get("KAFKA_TABLE"):
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, f"{name}.txt"), "w", encoding="utf-8") as file:
            file.writelines("\t".join(part.replace("\t", " ").replace("\n", " ") for part in row) + "\n" for row in rows)


def name_of_program():
    version = os.environ.get("KAFKA_VERSION")
    return os.path.basename(sys.argv[0]).removesuffix(".py") + (f"-{version}" if version else "")


def main(directory):
    rows = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            rows += [tuple(line.rstrip("\n").split("\t")) for line in file]
    if rows:
        print(text(rows))


if __name__ == "__main__":
    main(sys.argv[1])
