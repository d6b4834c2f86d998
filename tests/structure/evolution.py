"""Bytes written by a release are read by every later one: schemas only ever grow.

usage: evolution.py check RELEASED_DIRECTORY SCHEMA_DIRECTORY
       evolution.py freeze NUMBER RELEASED_DIRECTORY SCHEMA_DIRECTORY

check compares the schemas with each RELEASED_DIRECTORY/<number>/*.fbs. `flatc --conform` sees fields
that moved or changed their type or default; what it lets pass is found here from the text: tables,
structs, enums and fields that are gone or renamed, enum values and union members that are gone,
renamed or renumbered. freeze copies the schemas of a release, once.
"""
import glob
import os
import re
import shutil
import subprocess
import sys

DEFINITION = re.compile(r"\b(table|struct|enum|union)\s+(\w+)[^{;]*\{([^}]*)\}")


def parse(path):
    """{(keyword, name): {member: number or None}}; fields have no number, enum values and union members do."""
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"//[^\n]*|/\*.*?\*/", "", file.read(), flags=re.S)
    definitions = {}
    for keyword, name, body in DEFINITION.findall(text):
        if keyword in ("table", "struct"):
            members = {field: None for field in re.findall(r"(?:^|;)\s*(\w+)\s*:", body)}
        else:
            members, number = {}, 0 if keyword == "enum" else 1
            for item in filter(None, (part.strip() for part in body.split(","))):
                member, _, value = (part.strip() for part in item.partition("="))
                number = int(value, 0) if value else number
                members[member.replace(" ", "")] = number
                number += 1
        definitions[keyword, name] = members
    return definitions


def compare(old, new):
    """A line per thing that an older reader or older bytes would miss."""
    for (keyword, name), members in old.items():
        if (keyword, name) not in new:
            yield f"{keyword} {name} is gone or renamed"
            continue
        now = new[keyword, name]
        for member, number in members.items():
            if member not in now:
                yield f"{keyword} {name}: {member} is gone or renamed"
            elif now[member] != number:
                yield f"{keyword} {name}: {member} was {number} and is {now[member]}"
        if keyword == "struct" and list(members) != list(now):
            yield f"struct {name}: a struct never changes"


def conform(released, current, include_old, include_new):
    """What flatc says against it, or nothing."""
    done = subprocess.run(["flatc", "--conform", released, "--conform-includes", include_old, "-I", include_new, current],
                          capture_output=True, text=True)
    return (done.stdout + done.stderr).strip() if done.returncode else ""


def check(released_directory, schema_directory):
    """Violations of the present schemas against every release, a line each."""
    violations = []
    for release in sorted(glob.glob(os.path.join(released_directory, "*", ""))):
        for old in sorted(glob.glob(os.path.join(release, "*.fbs"))):
            name = os.path.basename(old)
            new = os.path.join(schema_directory, name)
            where = f"{name} against release {os.path.basename(os.path.dirname(release))}"
            if not os.path.exists(new):
                violations.append(f"{where}: the file is gone")
                continue
            violations += [f"{where}: {line}" for line in compare(parse(old), parse(new))]
            said = conform(old, new, release, schema_directory)
            if said:
                violations.append(f"{where}: {said}")
    return violations


def freeze(number, released_directory, schema_directory):
    target = os.path.join(released_directory, str(int(number)))
    os.makedirs(target)  # refuses a release that is there already
    for path in sorted(glob.glob(os.path.join(schema_directory, "*.fbs"))):
        shutil.copy(path, target)
        print(f"{path} -> {target}")


def main(arguments):
    if len(arguments) == 3 and arguments[0] == "check":
        violations = check(*arguments[1:])
        print("\n".join(violations) or "every released schema is still read")
        return 1 if violations else 0
    if len(arguments) == 4 and arguments[0] == "freeze":
        freeze(*arguments[1:])
        return 0
    print(__doc__.split("\n\n")[1], file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
