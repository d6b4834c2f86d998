"""The schemas still read what every release wrote, and each kind of break is shown to be caught."""
import os
import tempfile
import unittest

import evolution

SCHEMAS = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "schemas"))

BEFORE = """
namespace fb;
enum Kind : ubyte { none = 0, events = 1, claim }
struct Place { offset: ulong; index: uint; }
/// Text with a brace } and a field: that is none.
table Json { text: string; }
table Created { name: string (required); slug: string; }
union Data { Json, Created }
table Event { id: ulong; version: uint = 1; place: Place; data: Data; }
root_type Event;
"""


class TheSchemas(unittest.TestCase):
    def test_read_what_every_release_wrote(self):
        violations = evolution.check(os.path.join(SCHEMAS, "released"), SCHEMAS)
        self.assertFalse(violations, "\n" + "\n".join(violations))


class EachBreak(unittest.TestCase):
    def violations(self, old, new):
        after = BEFORE.replace(old, new)
        self.assertTrue(old == new or after != BEFORE, "the change must change something")
        with tempfile.TemporaryDirectory() as directory:
            with open(os.path.join(directory, "event.fbs"), "w", encoding="utf-8") as file:
                file.write(BEFORE)
            evolution.freeze(1, os.path.join(directory, "released"), directory)
            with open(os.path.join(directory, "event.fbs"), "w", encoding="utf-8") as file:
                file.write(after)
            return evolution.check(os.path.join(directory, "released"), directory)

    def test_growing_is_allowed(self):
        for old, new in [("", ""), ("slug: string;", "slug: string; color: string;"), ("claim }", "claim, noop }"),
                         ("union Data { Json, Created }", "table Gone { why: string; } union Data { Json, Created, Gone }"),
                         ("slug: string;", "slug: string (deprecated);")]:
            with self.subTest(new=new):
                self.assertEqual(self.violations(old, new), [])

    def test_breaking_is_caught(self):
        for why, old, new in [
            ("a field is removed", "slug: string;", ""),
            ("a field is renamed", "slug: string;", "handle: string;"),
            ("fields change places", "name: string (required); slug: string;", "slug: string; name: string (required);"),
            ("a field changes its type", "version: uint", "version: ulong"),
            ("a field changes its default", "version: uint = 1", "version: uint = 2"),
            ("a field is put before others", "{ id: ulong;", "{ early: uint; id: ulong;"),
            ("an enum value is removed", ", claim }", " }"),
            ("an enum value is renamed", "claim }", "claims }"),
            ("an enum value is renumbered", "claim }", "claim = 7 }"),
            ("an enum value is put between", "events = 1, claim", "events = 1, late, claim"),
            ("a union member is removed", "union Data { Json, Created }", "union Data { Json }"),
            ("a union's members change places", "{ Json, Created }", "{ Created, Json }"),
            ("a table is renamed", "Created", "Made"),
            ("a struct grows", "index: uint;", "index: uint; more: uint;"),
        ]:
            with self.subTest(why):
                self.assertTrue(self.violations(old, new), why)

    def test_a_file_that_is_gone_is_caught(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "event.fbs")
            with open(path, "w", encoding="utf-8") as file:
                file.write(BEFORE)
            evolution.freeze(1, os.path.join(directory, "released"), directory)
            os.remove(path)
            self.assertTrue(evolution.check(os.path.join(directory, "released"), directory))


if __name__ == "__main__":
    unittest.main()
