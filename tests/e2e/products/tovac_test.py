"""tovac, data and memory: collections with slugs of their own, documents found by digest, memories that expire."""
import hashlib

from scenario import ProductTest, run


def digest(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


class Tovac(ProductTest):
    product = "tovac"

    def document(self, entity, text, collection="notes", kind="document.stored"):
        return entity, kind, {"collection": collection, "digest": digest(text), "media": "text/plain", "bytes": len(text)}

    def memory(self, entity, expires_on, **more):
        return entity, "memory.kept", {"agent": "writer", "text": "likes short answers", "expires_on": expires_on, **more}

    def test_collections_have_slugs_of_their_own(self):
        self.write(("c1", "collection.created", {"slug": "notes", "dimensions": 384}))
        self.assertEqual(self.refused(("c2", "collection.created", {"slug": "notes", "dimensions": 8}), name="unique-taken", status=409),
                         ["/events/0/data/slug"])
        self.write(("c1", "collection.renamed", {"slug": "archive"}), ("c2", "collection.created", {"slug": "notes", "dimensions": 8}))
        self.assertEqual((self.entities("collection?/slug=notes"), self.entities("collection?/slug=archive")), (["c2"], ["c1"]))
        self.assertEqual(self.refused(("c3", "collection.created", {"slug": "-", "dimensions": 0.5})),
                         ["/events/0/data/slug", "/events/0/data/dimensions"])

    def test_documents_are_found_by_what_they_hold(self):
        self.write(self.document("doc/1", "one"), self.document("doc/2", "two", kind="document.uploaded"))
        self.assertEqual(self.entities(f"document?/digest={digest('two')}"), ["doc/2"])
        self.assertEqual(self.refused(self.document("doc/3", "one"), name="unique-taken", status=409),
                         ["/events/0/data/collection", "/events/0/data/digest"])
        self.write(self.document("doc/3", "one", "other"))
        self.write(("doc/1", "document.tagged", {"tags": {"language": "en"}}), ("doc/3", "document.tagged", {"tags": {"language": "en"}}))
        self.assertEqual(self.entities("document?/tags/language=en&/collection=notes"), ["doc/1"])
        self.write(("doc/1", "document.tagged", {"tags": {"language": None}}))
        self.assertEqual(self.entities("document?/tags/language=en"), ["doc/3"])
        self.assertEqual(self.refused(("doc/1", "document.tagged", {"tags": {"Lang": "en"}})), ["/events/0/data/tags/Lang"])
        types = [event["type"] for event in self.acme.get(f"{self.path}/document/doc%2F2/events")["data"]]
        self.assertEqual(types, ["document.stored"])

    def test_memories_expire_and_were_there_before(self):
        kept = self.write(self.memory("m1", "2026-11-30", weight=0.07), self.memory("m2", "2026-12-31"), self.memory("m3", None))
        self.assertEqual(self.entities("memory?/expires_on=2026-11-30&/expires_on=2026-12-31"), ["m1", "m2"])
        self.assertEqual(self.state("memory", "m2")["text"], "likes short answers", "sealed in the log, open in answers")
        for entity in self.entities("memory?/expires_on=2026-11-30"):
            self.write((entity, "memory.expired", {"by": "sweeper", "reason": "its day came"}))
        self.assertEqual(self.entities("memory?/agent=writer"), ["m2", "m3"])
        self.assertEqual(self.entities(f"memory?/agent=writer&as_of={kept.mark}"), ["m1", "m2", "m3"])
        self.problem(self.acme.get(f"{self.path}/memory/m1", expect=404), "not-found")
        self.assertEqual(self.state("memory", "m1", f"?as_of={kept.mark}")["weight"], 0.07)
        self.assertEqual(self.refused(("m2", "memory.expired", {"by": "sweeper"})), ["/events/0/data/reason"])
        self.assertEqual(self.refused(self.memory("m4", "tomorrow", weight=0.075)),
                         ["/events/0/data/expires_on", "/events/0/data/weight"])

    def test_a_filter_that_nobody_declared(self):
        self.problem(self.acme.get(f"{self.path}/document?/media=text/plain", expect=400), "invalid-parameter", parameter="/media",
                     detail=r'\\"indexes\\":\[\\"/media\\"\]')


if __name__ == "__main__":
    run()
