"""What the project's files promise about themselves, read from the text of the files.

Each rule takes the project's root and yields a line per violation: "path:line: what is wrong".
Nothing here compiles anything; code is assumed to be formatted by clang-format.
"""
import os
import re

# Each folder includes only what stands to its left.
LINE = ["schemas", "eventstore", "projections", "manager", "webhooks", "api"]
SOURCE_FOLDERS = LINE + ["tests", "bench"]

# A third-party library and the only files that may include it.
HOMES = [
    (r"<rocksdb/", r"projections/read_store"),
    (r"<(librdkafka|rdkafka)", r"eventstore/kafka_|tests/support/kafka_|bench/kafka_"),
    (r"<simdjson", r"schemas/json"),
    (r"<openssl/", r"schemas/crypto|api/http/|webhooks/http_client|tests/webhooks/tls_authority"),
    (r"<boost/asio/ssl", r"eventstore/asio\.cpp|api/http/|webhooks/http_client|tests/webhooks/"),
    (r"<boost/beast", r"api/|webhooks/http_client"),
    (r"<flatbuffers/", r"schemas/"),
    (r'"fb/\w+_generated\.h"', r"schemas/"),
    (r"<(grpc|grpcpp)/", r"schemas/rpc|manager/(command_server|remote_commands|rpc_)|api/|tests/manager/remote_commands"),
    (r'"fb/rpc/', r"manager/(command_messages|command_server|remote_commands|rpc_)"),
    (r"<re2/", r"schemas/cel"),
    (r"<CLI/", r"api/"),
    (r"<zstd", r"api/|tests/api/"),
    (r"<(gtest|gmock)/", r"tests/"),
    (r"<benchmark/", r"bench/"),
]
FILE_LINES_LONG, FILE_LINES_MAX = 400, 600
FUNCTION_LINES_MAX = 70
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
PATH_IN_TEXT = re.compile(r"`((?:%s)/[\w./-]+\.(?:h|cpp|fbs|md|py))`" % "|".join(SOURCE_FOLDERS))
LINK = re.compile(r"\]\((?!\w+:|#)([^)#]+)\)")


def files(root, endings, folders=None):
    """Paths relative to the root, sorted; what is built or hidden is no part of the project."""
    found = []
    for place, directories, names in os.walk(root):
        directories[:] = [d for d in directories if d not in ("build", "data", "corpus", "__pycache__") and d[0] != "."]
        for name in names:
            path = os.path.relpath(os.path.join(place, name), root)
            if path.endswith(endings) and (folders is None or path.split(os.sep)[0] in folders):
                found.append(path)
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def includes(root, path):
    """(line number, <name> or "name") of every include."""
    for number, line in enumerate(read(root, path).split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*(<[^>]+>|"[^"]+")', line)
        if match:
            yield number, match[1]


def include_direction(root):
    for path in files(root, (".h", ".cpp"), SOURCE_FOLDERS):
        own = path.split("/")[0]
        for number, name in includes(root, path):
            if name[0] != '"' or name.startswith('"fb/'):
                continue
            target = name[1:-1].split("/")[0]
            if target not in SOURCE_FOLDERS:
                yield f"{path}:{number}: {name} is not named by its folder's path"
            elif own in LINE and (target not in LINE or LINE.index(target) > LINE.index(own)):
                yield f"{path}:{number}: {own} may not include {target} (the line is {' <- '.join(LINE)})"


def homes(root):
    for path in files(root, (".h", ".cpp"), SOURCE_FOLDERS):
        for number, name in includes(root, path):
            for library, home in HOMES:
                if re.match(library, name) and not re.match(home, path):
                    yield f"{path}:{number}: {name} is included only in {home}"


def long_files(root):
    """Not a violation yet: files worth a second look."""
    for path in files(root, (".h", ".cpp", ".py", ".fbs"), SOURCE_FOLDERS):
        lines = read(root, path).count("\n")
        if FILE_LINES_LONG < lines <= FILE_LINES_MAX:
            yield f"{path}:1: {lines} lines, over {FILE_LINES_LONG}: is it one idea?"


def file_length(root):
    for path in files(root, (".h", ".cpp", ".py", ".fbs"), SOURCE_FOLDERS):
        lines = read(root, path).count("\n")
        if lines > FILE_LINES_MAX:
            yield f"{path}:1: {lines} lines, at most {FILE_LINES_MAX}"


LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])+\'', re.S)


def without_literals(text):
    """The code with comments, strings and characters blanked, every line in its place."""
    return LITERAL.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def functions(text):
    """(first line, lines) of every function body: a brace after a `)` at namespace or class scope."""
    code = re.sub(r"^[ \t]*#.*(?:\\\n.*)*", "", without_literals(text), flags=re.M)
    stack, head, line = [], "", 1
    for character in code:
        if character == "\n":
            line += 1
        if character == "{":
            inside = any(kind == "function" for kind, _ in stack)
            words = head.strip()
            scope = re.match(r"(inline )?(namespace|extern)\b|(template.*>\s*)?(class|struct|union|enum)\b[^()]*$", words, re.S)
            # Members initialized with braces stand between a constructor's head and its body.
            after_member = words.startswith("}") and words[1:].strip()[:1] in ("", ",")
            is_function = not inside and not scope and (")" in words or after_member) and not words.endswith("=")
            stack.append(("function" if is_function else "other", line))
            head = ""
        elif character == "}":
            if stack:
                kind, first = stack.pop()
                if kind == "function":
                    yield first, line - first + 1
            head = "}"
        elif character == ";":
            head = ""
        else:
            head += character


def function_length(root):
    for path in files(root, (".h", ".cpp"), SOURCE_FOLDERS):
        for first, lines in functions(read(root, path)):
            if lines > FUNCTION_LINES_MAX:
                yield f"{path}:{first}: a function of {lines} lines, at most {FUNCTION_LINES_MAX}"


def unfinished(root):
    for path in files(root, (".h", ".cpp", ".py", ".fbs", "CMakeLists.txt")):
        for number, line in enumerate(read(root, path).split("\n"), 1):
            if UNFINISHED.search(line):
                yield f"{path}:{number}: left for later: {line.strip()}"


def pragma_once(root):
    for path in files(root, ".h", SOURCE_FOLDERS):
        if not re.search(r"^#pragma once$", read(root, path), re.M):
            yield f"{path}:1: no #pragma once"


def readmes(root):
    for folder in SOURCE_FOLDERS:
        if not os.path.exists(os.path.join(root, folder, "README.md")):
            yield f"{folder}/:1: no README.md"


def dead_headers(root):
    used = set()
    for path in files(root, (".h", ".cpp"), SOURCE_FOLDERS):
        used.update(name[1:-1] for _, name in includes(root, path) if name[1:-1] != path)
    for path in files(root, ".h", SOURCE_FOLDERS):
        if path not in used:
            yield f"{path}:1: included by nobody"


def dead_paths(root):
    """Files that a document names and that are not there."""
    for path in files(root, ".md"):
        text = read(root, path)
        here = os.path.dirname(os.path.join(root, path))
        for match in PATH_IN_TEXT.finditer(text):
            if not os.path.exists(os.path.join(root, match[1])):
                yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}: there is no {match[1]}"
        for match in LINK.finditer(text):
            if not os.path.exists(os.path.join(here, match[1])):
                yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}: the link {match[1]} leads nowhere"


RULES = [include_direction, homes, file_length, function_length, unfinished, pragma_once, readmes, dead_headers, dead_paths]
