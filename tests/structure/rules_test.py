"""The project keeps its own rules, and each rule is shown to catch a planted violation.

usage: rules_test.py [PROJECT_ROOT]
"""
import os
import sys
import tempfile
import unittest

import rules

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


class TheProject(unittest.TestCase):
    def test_keeps_every_rule(self):
        for line in rules.long_files(ROOT):
            print("note:", line)
        for rule in rules.RULES:
            with self.subTest(rule=rule.__name__):
                violations = list(rule(ROOT))
                self.assertFalse(violations, "\n" + "\n".join(violations))


class EachRule(unittest.TestCase):
    """A small project that keeps all rules; each test adds one file and names who must object."""

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.root = self.directory.name
        for folder in rules.SOURCE_FOLDERS:
            self.write(f"{folder}/README.md", "# A folder\n")
        self.write("schemas/ids.h", "#pragma once\nstruct Id {};\n")
        self.write("eventstore/log.cpp", '#include "schemas/ids.h"\nvoid append(int a) {\n  (void)a;\n}\n')

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def objections(self):
        return {rule.__name__ for rule in rules.RULES if list(rule(self.root))}

    def objects(self, *names):
        self.assertEqual(self.objections(), set(names))

    def test_none_to_a_good_project(self):
        self.objects()

    def test_include_against_the_line(self):
        self.write("schemas/bad.cpp", '#include "eventstore/log.h"\n')
        self.objects("include_direction")

    def test_main_sees_every_folder(self):
        self.write("api/main.cpp", '#include "schemas/ids.h"\n')
        self.objects()

    def test_include_of_a_test_file(self):
        self.write("manager/bad.cpp", '#include "tests/support/fake.h"\n')
        self.objects("include_direction")

    def test_include_without_a_folder(self):
        self.write("schemas/bad.cpp", '#include "ids.h"\n')
        self.objects("include_direction")

    def test_library_outside_its_home(self):
        for name in ("<rocksdb/db.h>", "<librdkafka/rdkafka.h>", "<simdjson.h>", "<openssl/sha.h>", '"fb/batch_generated.h"',
                     "<flatbuffers/flatbuffers.h>", "<boost/beast.hpp>", "<CLI/CLI.hpp>", "<gtest/gtest.h>"):
            with self.subTest(name=name):
                self.write("projections/bad.cpp", f"#include {name}\n")
                self.objects("homes")

    def test_library_at_home(self):
        self.write("projections/read_store.cpp", "#include <rocksdb/db.h>\n")
        self.write("api/http/tls.cpp", "#include <openssl/ssl.h>\n")
        self.objects()

    def test_long_file(self):
        self.write("schemas/long.cpp", "int a;\n" * 601)
        self.objects("file_length")
        self.write("schemas/long.cpp", "int a;\n" * 500)
        self.objects()
        self.assertEqual(len(list(rules.long_files(self.root))), 1)

    def test_long_function(self):
        for head in ("void f(int a) {", "TEST(Log, reads) {", "Log::Log(int a)\n    : a_{a} {", "auto f() -> Result<int> {",
                     'void f(const char* a = "{") {', "template <typename T>\nvoid f(T a) {", "bool operator()(int a) const {",
                     "struct Point at(int a) {"):
            with self.subTest(head=head):
                self.write("schemas/long.cpp", "namespace schemas {\n" + head + "\n" + "  g('{');\n" * 69 + "}\n}\n")
                self.objects("function_length")
                self.write("schemas/long.cpp", "namespace schemas {\n" + head + "\n" + "  g('{');\n" * 68 + "}\n}\n")
                self.objects()

    def test_long_class_and_long_table_are_no_functions(self):
        self.write("schemas/long.cpp", "class Long : public Base {\n" + "  void f();\n" * 100 + "};\n")
        self.objects()
        self.write("schemas/long.cpp", "constexpr Route routes[] = {\n" + "  {get(1)},\n" * 100 + "};\n")
        self.objects()

    def test_left_for_later(self):
        self.write("schemas/bad.cpp", "// TO" + "DO: more\n")
        self.objects("unfinished")

    def test_header_without_pragma_once(self):
        self.write("schemas/ids.h", "struct Id {};\n")
        self.objects("pragma_once")

    def test_folder_without_readme(self):
        os.remove(os.path.join(self.root, "bench/README.md"))
        self.objects("readmes")

    def test_header_that_nobody_includes(self):
        self.write("schemas/dead.h", "#pragma once\n")
        self.write("schemas/dead.cpp", '#include "schemas/dead.h"\n')
        self.objects()
        os.remove(os.path.join(self.root, "schemas/dead.cpp"))
        self.objects("dead_headers")

    def test_document_names_a_missing_file(self):
        self.write("README.md", "See `schemas/gone.h`.\n")
        self.objects("dead_paths")
        self.write("README.md", "See [this](schemas/gone.md) and [that](https://example.com/).\n")
        self.objects("dead_paths")
        self.write("README.md", "See `schemas/ids.h` and [this](schemas/README.md#top).\n")
        self.objects()


if __name__ == "__main__":
    unittest.main()
