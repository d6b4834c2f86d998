# TIMEOUT 180
"""What all routes have in common: API.md, "Habits". Projects stand for everything."""
import concurrent.futures
import json
import socket
import time

from harness import ServerTest, percent, run, unique


class Marks(ServerTest):
    def test_every_answer_carries_one(self):
        made = self.project()
        path = f"/v2/projects/{made['id']}"
        for answer in (made, self.acme.get(path), self.acme.get("/v2/projects"), self.acme.get(f"{path}/events"), self.acme.get("/v2/events"),
                       self.acme.patch(path, {"name": "New"}), self.acme.post(f"{path}/archive"), self.acme.delete(path)):
            self.assert_mark(answer.mark)

    def test_a_read_may_ask_for_at_least_a_mark(self):
        made = self.project()
        path = f"/v2/projects/{made['id']}"
        later = self.acme.patch(path, {"name": "Later"}).mark
        self.assertEqual(self.acme.get(path, headers={"Tidemark": later})["name"], "Later")
        self.assertEqual(self.acme.get(path, headers={"Tidemark": f"{made.mark}, {later}"})["name"], "Later")
        self.assertEqual(self.acme.get(f"{path}?at_least={later}")["name"], "Later")
        self.assertIn(self.acme.get(f"{path}?stale=allow")["name"], ("Web shop", "Later"))

    def test_tampered_and_foreign_marks(self):
        made = self.project()
        path = f"/v2/projects/{made['id']}"
        position = len(made.mark) // 2
        flipped = made.mark[:position] + ("A" if made.mark[position] != "A" else "B") + made.mark[position + 1:]
        foreign = self.server.organization("Other").post("/v2/projects", {"name": "X"}).mark
        trial = self.server.key(self.acme.organization, space="test").post("/v2/projects", {"name": "X"}).mark
        for mark in (flipped, foreign, trial, "tm1_", "nonsense", made.mark + "A", made.mark[:-2]):
            name = "foreign-mark" if mark.startswith("tm1_") else "invalid-parameter"
            with self.subTest(mark=mark[:24]):
                self.problem(self.acme.get(path, headers={"Tidemark": mark}, expect=400), name, header="Tidemark")
                for parameter, where in (("at_least", path), ("as_of", path), ("after", "/v2/events"), ("from", "/v2/events"), ("to", "/v2/events")):
                    self.problem(self.acme.get(f"{where}?{parameter}={percent(mark)}", expect=400), name, parameter=parameter)

    def test_wrong_waits_are_refused(self):
        for value in ("wait=-1", "wait=x", "wait=31"):
            answer = self.acme.get("/v2/projects", headers={"Prefer": value}, expect="any")
            self.assertIn(answer.status, (200, 400), value)  # RFC 7240: a preference that is not understood may be ignored


class Past(ServerTest):
    def setUp(self):
        self.made = self.project()
        self.path = f"/v2/projects/{self.made['id']}"

    def test_by_mark(self):
        second = self.acme.patch(self.path, {"name": "Two"})
        gone = self.acme.delete(self.path)
        self.assertEqual(self.acme.get(f"{self.path}?as_of={self.made.mark}").json, self.made.json)
        read = self.acme.get(f"{self.path}?as_of={second.mark}")
        self.assertEqual((read.json, read.etag), (second.json, '"2"'))
        self.acme.get(f"{self.path}?as_of={gone.mark}", expect=404)
        listed = {project["id"]: project for project in self.acme.pages(f"/v2/projects?as_of={second.mark}", limit=3)}
        self.assertEqual(listed[self.made["id"]], second.json)
        self.assertNotIn(self.made["id"], [p["id"] for p in self.acme.pages(f"/v2/projects?as_of={gone.mark}")])

    def test_before_it_was_there(self):
        before = self.made.mark
        later = self.project()
        self.problem(self.acme.get(f"/v2/projects/{later['id']}?as_of={before}", expect=404), "not-found")
        self.assertNotIn(later["id"], [p["id"] for p in self.acme.pages(f"/v2/projects?as_of={before}")])

    def test_by_time_inclusive(self):
        time.sleep(0.02)
        second = self.acme.patch(self.path, {"name": "Two"})
        first_time, second_time = (event["recordedtime"] for event in self.acme.get(f"{self.path}/events")["data"])
        self.assertEqual(self.acme.get(f"{self.path}?as_of={first_time}").json, self.made.json)
        answer = self.acme.get(f"{self.path}?as_of={second_time}")
        self.assertEqual(answer.json, second.json)
        self.assert_mark(answer.mark)
        self.assertEqual(self.acme.get(f"{self.path}?as_of={answer.mark}").json, second.json)
        self.problem(self.acme.get(f"{self.path}?as_of=2001-01-01T00:00:00.000Z", expect=404), "not-found")

    def test_the_future_and_nonsense(self):
        self.problem(self.acme.get(f"{self.path}?as_of=2999-01-01T00:00:00.000Z", expect=400), "as-of-in-future")
        for value in ("yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", ""):
            self.problem(self.acme.get(f"{self.path}?as_of={value}", expect=400), "invalid-parameter", parameter="as_of")

    def test_a_mark_of_another_product_names_no_position_here(self):
        product = self.declare_files()
        mark = self.acme.post(f"/v2/products/{product}/file/a/events", {"events": [{"type": "file.added", "data": {}}]}).mark
        self.problem(self.acme.get(f"{self.path}?as_of={mark}", expect=400), "mark-without-position")


class Concurrency(ServerTest):
    def setUp(self):
        self.made = self.project()
        self.path = f"/v2/projects/{self.made['id']}"

    def test_if_match(self):
        refused = self.acme.patch(self.path, {"name": "X"}, headers={"If-Match": '"2"'}, expect=412)
        self.assertEqual(self.problem(refused, "precondition-failed")["current_version"], 1)
        self.acme.patch(self.path, {"name": "X"}, headers={"If-Match": '"1"'}, expect=200)
        self.acme.post(f"{self.path}/archive", headers={"If-Match": '"1"'}, expect=412)
        self.acme.delete(self.path, headers={"If-Match": '"1"'}, expect=412)
        self.acme.delete(self.path, headers={"If-Match": '"2"'}, expect=204)

    def test_if_match_of_wrong_form(self):
        for value in ("1", '"x"', '"-1"', 'W/"1"', '"99999999999999999999999"'):
            answer = self.acme.patch(self.path, {"name": "X"}, headers={"If-Match": value}, expect="any")
            self.assertIn(answer.status, (400, 412), (value, answer))
        self.assertEqual(self.acme.get(self.path)["version"], 1)

    def test_if_none_match(self):
        answer = self.acme.get(self.path, headers={"If-None-Match": '"1"'}, expect=304)
        self.assertEqual(answer.body, b"")
        self.assertEqual(answer.etag, '"1"')
        self.acme.patch(self.path, {"name": "X"})
        self.acme.get(self.path, headers={"If-None-Match": '"1"'}, expect=200)

    def test_of_many_conditional_writers_one_wins(self):
        def write(number):
            client = self.server.client(self.acme.key)
            return client.patch(self.path, {"name": f"Writer {number}"}, headers={"If-Match": '"1"'}, expect="any").status

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = sorted(pool.map(write, range(16)))
        self.assertEqual(statuses, [200] + [412] * 15)


class Idempotency(ServerTest):
    def create(self, key, body=None, expect=201, **options):
        return self.acme.post("/v2/projects", body or {"name": "Once"}, headers={"Idempotency-Key": key, **options.pop("headers", {})},
                              expect=expect, **options)

    def test_the_first_answer_again(self):
        key = unique("key")
        first = self.create(key)
        again = self.create(key)
        self.assertEqual(again.json, first.json)
        self.assertEqual((again.headers["Idempotent-Replayed"], again.etag, again.mark), ("true", first.etag, first.mark))
        self.assertIsNone(first.headers["Idempotent-Replayed"])
        self.assertEqual(again.headers["Location"], first.headers["Location"])
        self.assertEqual(len(self.acme.get(f"/v2/projects/{first['id']}/events")["data"]), 1)

    def test_the_same_request_is_what_the_canonical_body_says(self):
        key = unique("key")
        slug = unique("slug")
        first = self.create(key, {"name": "Once", "slug": slug})
        text = '{ "slug" : "%s",\n "name":"\\u004fnce" }' % slug
        self.assertEqual(self.create(key, text.encode(), headers={"Content-Type": "application/json"}).json, first.json)

    def test_another_request_is_refused(self):
        key = unique("key")
        first = self.create(key)
        path = f"/v2/projects/{first['id']}"
        self.problem(self.create(key, {"name": "Other"}, expect=422), "idempotency-key-reused")
        self.problem(self.acme.patch(path, {"name": "Other"}, headers={"Idempotency-Key": key}, expect=422), "idempotency-key-reused")
        self.problem(self.acme.post(f"{path}/archive", headers={"Idempotency-Key": key}, expect=422), "idempotency-key-reused")
        headers = {"Idempotency-Key": unique("key")}
        self.acme.patch(path, {"name": "Other"}, headers=headers)
        self.problem(self.acme.patch(path, {"name": "Other"}, headers={**headers, "If-Match": '"1"'}, expect=422), "idempotency-key-reused")

    def test_of_every_write(self):
        path = f"/v2/projects/{self.project()['id']}"
        for method, where, body in (("PATCH", path, {"name": "Changed"}), ("POST", f"{path}/archive", {}), ("POST", f"{path}/restore", {}),
                                    ("DELETE", path, {})):
            headers = {"Idempotency-Key": unique("key")}
            first, again = (self.acme.request(method, where, body, headers=headers) for _ in range(2))
            self.assertEqual((again.status, again.body, again.mark), (first.status, first.body, first.mark), (method, where))
            self.assertEqual(again.headers["Idempotent-Replayed"], "true")

    def test_a_later_change_does_not_change_the_first_answer(self):
        key = unique("key")
        first = self.create(key)
        self.acme.patch(f"/v2/projects/{first['id']}", {"name": "Later"})
        self.assertEqual(self.create(key).json, first.json)

    def test_refusals_are_not_remembered(self):
        key, slug = unique("key"), unique("slug")
        holder = self.project(slug=slug)
        self.create(key, {"name": "B", "slug": slug}, expect=409)
        self.acme.delete(f"/v2/projects/{holder['id']}")
        self.create(key, {"name": "B", "slug": slug}, expect=201)

    def test_what_changed_nothing_is_not_remembered(self):
        made = self.project()
        headers = {"Idempotency-Key": unique("key")}
        path = f"/v2/projects/{made['id']}"
        self.acme.patch(path, {"name": made["name"]}, headers=headers)
        self.assertEqual(self.acme.patch(path, {"name": "Other"}, headers=headers)["name"], "Other")

    def test_scope_is_organization_space_and_product(self):
        key = unique("key")
        self.create(key)
        headers = {"Idempotency-Key": key}
        other = self.server.organization("Other")
        trial = self.server.key(self.acme.organization, space="test")
        for client in (other, trial):
            made = client.post("/v2/projects", {"name": "Mine"}, headers=headers, expect=201)
            self.assertIsNone(made.headers["Idempotent-Replayed"])
        product = self.declare_files()
        self.acme.post(f"/v2/products/{product}/file/a/events", {"events": [{"type": "file.added", "data": {}}]}, headers=headers, expect=201)

    def test_secrets_are_not_repeated(self):
        within = self.platform.with_headers(Tidemark_Organization=self.acme.organization, Idempotency_Key=unique("key"))
        body = {"name": "ci", "space": "live", "permissions": ["projects:*"]}
        first, again = (within.post("/v2/auth/keys", body, expect=201) for _ in range(2))
        self.assertIsNotNone(first["key"])
        self.assertEqual(again.json, {**first.json, "key": None})

    def test_simultaneous_attempts_are_one(self):
        key = unique("key")

        def attempt(_):
            return self.server.client(self.acme.key).post("/v2/projects", {"name": "Race"}, headers={"Idempotency-Key": key}, expect=201)

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(attempt, range(16)))
        self.assertEqual(len({answer.body for answer in answers}), 1)
        self.assertEqual([answer.headers["Idempotent-Replayed"] for answer in answers].count(None), 1)

    def test_wrong_keys(self):
        for key in ("", "x" * 256, "späße", "a\tb"):
            answer = self.acme.request("POST", "/v2/projects", {"name": "X"}, headers={"Idempotency-Key": key.encode().decode("latin-1")}, expect=400)
            self.problem(answer, "invalid-parameter", header="Idempotency-Key")
        self.create("x" * 255)


class Lists(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lister = cls.server.organization("Lister")
        cls.ids = [cls.lister.post("/v2/projects", {"name": f"P{n}"})["id"] for n in range(25)]
        for name in cls.ids[:5]:
            cls.lister.post(f"/v2/projects/{name}/archive")

    def listed(self, query="", limit=None):
        return [project["id"] for project in self.lister.pages(f"/v2/projects{query}", limit)]

    def test_pages(self):
        for limit in (1, 7, 24, 25, 26, 1000, None):
            self.assertEqual(self.listed(limit=limit), sorted(self.ids), limit)
        self.assertEqual(self.listed("?order=desc", 7), sorted(self.ids, reverse=True))
        self.assertIsNone(self.lister.get("/v2/projects?limit=25")["next_cursor"])

    def test_ascending_is_what_there_is_without_an_order(self):
        for first, then in (("", "&order=asc"), ("&order=asc", ""), ("&order=asc", "&order=asc")):
            cursor = self.lister.get(f"/v2/projects?limit=20{first}")["next_cursor"]
            rest = self.lister.get(f"/v2/projects?cursor={cursor}{then}")["data"]
            self.assertEqual([project["id"] for project in rest], sorted(self.ids)[20:])
            self.problem(self.lister.get(f"/v2/projects?cursor={cursor}&order=desc", expect=400), "invalid-parameter", parameter="cursor")

    def test_filters(self):
        self.assertEqual(self.listed("?state=archived", 2), sorted(self.ids[:5]))
        self.assertEqual(self.listed("?state=active", 3), sorted(self.ids[5:]))
        self.assertEqual(self.listed("?state=active&state=archived", 3), sorted(self.ids))

    def test_created_after_is_inclusive_and_before_exclusive(self):
        projects = {project["id"]: project["created_at"] for project in self.lister.pages("/v2/projects")}
        middle = projects[self.ids[12]]
        self.assertEqual(self.listed(f"?created_after={middle}"), sorted(i for i, at in projects.items() if at >= middle))
        self.assertEqual(self.listed(f"?created_before={middle}"), sorted(i for i, at in projects.items() if at < middle))

    def test_a_cursor_goes_on_at_the_mark_it_began_with(self):
        organization = self.server.organization("Moving")
        names = {organization.post("/v2/projects", {"name": f"P{n}"})["id"]: f"P{n}" for n in range(6)}
        ids = sorted(names)  # ids of one millisecond are in no order of their making
        first = organization.get("/v2/projects?limit=3")
        organization.delete(f"/v2/projects/{ids[4]}")
        organization.patch(f"/v2/projects/{ids[5]}", {"name": "changed"})
        organization.post("/v2/projects", {"name": "late"})
        second = organization.get(f"/v2/projects?limit=10&cursor={first['next_cursor']}")
        self.assertEqual([(p["id"], p["name"]) for p in second["data"]], [(ids[n], names[ids[n]]) for n in (3, 4, 5)])

    def test_wrong_parameters(self):
        cursor = self.lister.get("/v2/projects?limit=2")["next_cursor"]
        self.assertTrue(cursor.startswith("cur1_"))
        changed = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
        for query, name in [("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("limit=-1", "limit"), ("limit=1&limit=2", "limit"),
                            ("cursor=x", "cursor"), (f"cursor={changed}", "cursor"), ("cursor=", "cursor"), ("order=up", "order"),
                            ("state=frozen", "state"), ("created_after=x", "created_after"), ("colour=red", "colour"), ("name=P1", "name")]:
            with self.subTest(query=query):
                self.problem(self.lister.get(f"/v2/projects?{query}", expect=400), "invalid-parameter", parameter=name)


class Problems(ServerTest):
    def test_bodies_have_no_content_encoding(self):
        body, product = json.dumps({"name": "Plain"}).encode(), self.declare_files()
        for encoding in ("gzip", "br", "identity, gzip", ""):
            for path, kind in (("/v2/projects", "application/json"), (f"/v2/products/{product}/events", "application/x-ndjson")):
                answer = self.acme.request("POST", path, body, headers={"Content-Encoding": encoding, "Content-Type": kind}, expect=415)
                self.problem(answer, "unsupported-media-type", header="Content-Encoding")
        self.acme.request("POST", "/v2/projects", body, headers={"Content-Encoding": "Identity"}, expect=201)

    def test_a_path_that_is_no_text_says_where(self):
        for path, segment in (("/v2/projects/%FF", 3), ("/v2/%E2%82/x", 2), ("/%zz", 1), ("/v2/projects/a%2", 3)):
            self.problem(self.acme.get(path, expect=400), "invalid-parameter", detail=f"segment {segment} is not UTF-8")
    def raw(self, request, half_close=False):
        """Bytes in, all bytes out until the server closes or pauses."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=5) as connection:
            connection.sendall(request)
            answer = b""
            try:
                while piece := connection.recv(65536):
                    answer += piece
                    head, found, rest = answer.partition(b"\r\n\r\n")
                    if found and len(rest) >= int((b"\r\n" + head.lower()).split(b"\r\ncontent-length:")[1].split(b"\r\n")[0]):
                        break
            except TimeoutError:
                pass
            return answer

    def test_malformed_json_names_line_and_column(self):
        refused = self.acme.request("POST", "/v2/projects", b'{"name": "A",\n  "slug" "b"}', expect=400)
        body = self.problem(refused, "malformed-json")
        self.assertEqual(body["line"], 2)
        self.assertIn(body["column"], range(8, 12))

    def test_malformed_json(self):
        for text in (b"{", b"nope", b'{"name":"A"}x', b'{"name":"A","name":"B"}', b'{"name":"\xff\xfe"}', b'{"name":"\\ud800"}', b"{'name':1}",
                     b'{"a":' * 65 + b"1" + b"}" * 65, b"[" * 100_000, b'{"name":"A",}', b'{"name":01}', b'\xef\xbb\xbf{"name":"A"}', b'{"name":"\x01"}'):
            with self.subTest(text=text[:30]):
                self.problem(self.acme.request("POST", "/v2/projects", text, expect=400), "malformed-json")

    def test_too_large_is_answered_and_the_rest_drained(self):
        for size in (1024 * 1024 + 1, 5_000_000):
            body = b'{"name":"' + b"x" * size + b'"}'
            self.problem(self.acme.request("POST", "/v2/projects", body, expect=413), "too-large")
        self.acme.get("/v2/projects")

    def test_media_type(self):
        for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense"):
            self.problem(self.acme.request("POST", "/v2/projects", b'{"name":"A"}', headers={"Content-Type": kind}, expect=415), "unsupported-media-type")
        self.acme.request("POST", "/v2/projects", b'{"name":"A"}', headers={"Content-Type": "Application/JSON; charset=utf-8"}, expect=201)

    def test_method_not_allowed_names_the_allowed(self):
        refused = self.acme.request("DELETE", "/v2/projects", expect=405)
        self.problem(refused, "method-not-allowed")
        self.assertLessEqual({"GET", "POST"}, {name.strip() for name in refused.headers["Allow"].split(",")})
        self.problem(self.acme.request("BREW", "/v2/projects", expect=405), "method-not-allowed")

    def test_unknown_paths(self):
        for path in ("/", "/v2", "/v2/", "/v2/nothing", "/v1/projects", "/v2/projects/", "/v2//projects", "/v2/projects/x/y/z"):
            self.problem(self.acme.get(path, expect=404), "not-found")

    def test_headers_too_large(self):
        self.problem(self.acme.get("/v2/projects", headers={"X-Long": "x" * 100_000}, expect=431), "headers-too-large")

    def test_request_id_is_taken_or_made(self):
        self.assertEqual(self.acme.get("/v2/projects", headers={"X-Request-Id": "abc-123"}).headers["X-Request-Id"], "abc-123")
        made = {self.acme.get("/v2/projects").headers["X-Request-Id"] for _ in range(3)}
        self.assertEqual(len(made), 3)
        for strange in ("x" * 1000, "a b", "<script>"):
            self.assertNotEqual(self.acme.get("/v2/projects", headers={"X-Request-Id": strange}).headers["X-Request-Id"], strange)

    def test_every_type_has_a_page(self):
        for name in ("malformed-json", "invalid-parameter", "not-found", "slug-taken", "too-large", "idempotency-key-reused", "read-only", "internal"):
            page = self.server.client().get(f"/problems/{name}", expect=200)
            self.assertIn(name.encode(), page.body)
        self.server.client().get("/problems/no-such-problem", expect=404)

    def test_head_is_get_without_a_body(self):
        answer = self.acme.request("HEAD", "/v2/projects", expect=200)
        self.assertEqual(answer.body, b"")
        self.assert_mark(answer.mark)

    def test_an_empty_body_is_an_empty_object(self):
        path = f"/v2/projects/{self.project()['id']}"
        self.acme.request("POST", f"{path}/archive", b"", headers={"Content-Type": None}, expect=200)

    def test_smuggled_and_broken_requests_are_refused(self):
        for lines in ("GET /v2/projects HTTP/1.1\r\n\r\n", "GET /v2/projects HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                      "POST /v2/projects HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                      "POST /v2/projects HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
                      "POST /v2/projects HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", "GET  /v2/projects HTTP/1.1\r\nHost: a\r\n\r\n",
                      "GET /v2/pro\x00jects HTTP/1.1\r\nHost: a\r\n\r\n", "GET /v2/projects HTTP/9.9\r\nHost: a\r\n\r\n",
                      "GET /v2/projects HTTP/1.1\r\nHost : a\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01"):
            with self.subTest(lines=lines[:50]):
                answer = self.raw(lines.encode("latin-1"))
                self.assertRegex(answer[:13] or b"HTTP/1.1 400", rb"^HTTP/1\.[01] (4\d\d|505)")
        self.acme.get("/v2/projects")

    def test_pipelined_requests_are_answered_in_order(self):
        one = f"GET /v2/auth/whoami HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.acme.key}\r\nX-Request-Id: r%d\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=5) as connection:
            connection.sendall("".join(one % number for number in range(5)).encode())
            answer = b""
            while answer.count(b'"kind"') < 5:
                answer += connection.recv(65536)
        places = [answer.lower().index(b"x-request-id: r%d" % number) for number in range(5)]
        self.assertEqual(places, sorted(places))

    def test_a_plus_in_a_path_is_a_plus(self):
        product = self.declare_files()
        made = self.acme.post(f"/v2/products/{product}/file/c++/events", {"events": [{"type": "file.added", "data": {}}]}, expect=201)
        self.assertEqual(made["events"][0]["entity"], "c++")
        self.assertEqual(self.acme.get(f"/v2/products/{product}/file/c%2B%2B")["entity"], "c++")

    def test_problem_detail_never_shows_the_key(self):
        text = json.dumps(self.acme.post("/v2/projects", {"name": 1}, expect=422).json)
        self.assertNotIn(self.acme.key, text + self.server.output())


if __name__ == "__main__":
    run()
