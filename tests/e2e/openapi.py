"""The routes as /openapi.json describes them, and requests made from that description.

A test that goes through operations() covers a new route by the route being there. What the description
cannot know (an id that exists) comes from a `World` that the test builds.
"""
import copy
import re

from harness import percent

MIB = 1024 * 1024


class Operation:
    def __init__(self, document, method, path, item):
        self.document, self.method, self.path = document, method.upper(), path
        self.name = f"{self.method} {path}"
        parameters = [self.resolve(parameter) for parameter in item.get("parameters", [])]
        self.path_parameters = re.findall(r"\{(\w+)\}", path)
        self.query_parameters = [p["name"] for p in parameters if p["in"] == "query"]
        content = self.resolve(item.get("requestBody", {})).get("content", {})
        self.content_types = list(content)
        schema = content.get("application/json", {}).get("schema")
        self.schema = self.resolve(schema) if schema is not None else None
        self.writes = self.method != "GET"
        self.is_stream = "text/event-stream" in str(item.get("responses", {}))
        self.needs_key = item.get("security", document.get("security")) not in (None, [])

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            target = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node

    def properties(self):
        return (self.schema or {}).get("properties", {})

    def required(self):
        return (self.schema or {}).get("required", [])

    def url(self, values):
        """The path with every parameter filled in, percent-encoded."""
        return re.sub(r"\{(\w+)\}", lambda match: percent(values[match[1]]), self.path)

    def body(self, schema=None):
        """A value that the schema allows: its example, else the simplest one."""
        schema = self.resolve(self.schema if schema is None else schema)
        for name in ("example", "default", "const"):
            if name in schema:
                return copy.deepcopy(schema[name])
        for name in ("oneOf", "anyOf"):
            if name in schema:
                return self.body(schema[name][0])
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type", "object")
        kind = next(k for k in kind if k != "null") if isinstance(kind, list) else kind
        if kind == "object":
            return {name: self.body(schema["properties"][name]) for name in schema.get("required", [])}
        if kind == "array":
            return [self.body(schema["items"])]
        if kind == "string" and schema.get("format") == "date-time":
            return "2026-01-01T00:00:00.000Z"
        return {"string": "text", "integer": 1, "number": 1, "boolean": True}[kind]


    def objects(self):
        """(pointer, schema, function that puts a changed object in its place in a good body) of every object in it."""
        def walk(pointer, schema, value, put):
            schema = self.resolve(schema)
            if isinstance(value, dict):
                yield pointer, schema, value, put
                for name, inner in value.items():
                    inner_schema = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
                    if isinstance(inner_schema, dict):
                        yield from walk(f"{pointer}/{escaped(name)}", inner_schema, inner,
                                        lambda changed, name=name: put({**value, name: changed}))
            elif isinstance(value, list) and value:
                yield from walk(f"{pointer}/0", schema["items"], value[0], lambda changed: put([changed, *value[1:]]))

        return walk("", self.schema, self.body(), lambda changed: changed)


def escaped(name):
    """A member's name in a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def operations(client):
    """Every operation of the server, in the order of the description."""
    document = client.get("/openapi.json").json
    return [Operation(document, method, path, item) for path, methods in document["paths"].items()
            for method, item in methods.items() if method in ("get", "put", "post", "patch", "delete")]


def wrong_values(operation, schema):
    """Values of a type that the schema does not allow."""
    schema = operation.resolve(schema)
    kinds = schema.get("type", [])
    kinds = set(kinds if isinstance(kinds, list) else [kinds])
    for choice in schema.get("oneOf", []) + schema.get("anyOf", []):
        kind = operation.resolve(choice).get("type", [])
        kinds |= set(kind if isinstance(kind, list) else [kind])
    if not kinds:
        return []
    if "number" in kinds:
        kinds.add("integer")
    samples = {"string": "text", "integer": 7, "boolean": True, "array": [[[]]], "object": {"zzz": 1}}
    return [value for kind, value in samples.items() if kind not in kinds]
