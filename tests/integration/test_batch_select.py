"""What `select` keeps of a batch's answers."""

import json
import unittest

from test_batch import BatchTest, answer


class Select(BatchTest):
    ITEMS = json.dumps({"items": [{"id": 1, "x": "\n"}, {"id": [2, {"ü": None}]}]}, indent=2)

    def test_values(self):
        backend = self.backend(answer(self.ITEMS.encode()))
        for path, selected, matched in (("/items/0/x", "\n", 1), ("$.items[*].id",
                                        [1, [2, {"ü": None}]], 2), ("/none", None, 0),
                                        ("$.none[*]", [], 0), ("/items/1/id/1/ü", None, 1),
                                        ("", json.loads(self.ITEMS), 1)):
            with self.subTest(path):
                line = self.one(url=backend.url, select=path)
                self.assertEqual((line["selected"], line["matched"]), (selected, matched))
                self.assertNotIn("body", line)

    def test_only_good_answers_are_selected_from(self):
        missing = self.backend(answer(b"<html>", status="404 Not Found"))
        self.assertEqual(self.one(url=missing.url, select="/a")["body"], "<html>")
        empty = self.backend(b"HTTP/1.1 204 No Content\r\n\r\n")
        line = self.one(url=empty.url, select="/a")
        self.assertEqual((line["selected"], line["matched"]), (None, 0))

    def test_what_is_no_json_is_an_error(self):
        for body in (b"", b"<html>", b'{"a":1', b'{"a":1}}', b'{"a":"\xff"}'):
            with self.subTest(body):
                line = self.one(url=self.backend(answer(body)).url, select="/a")
                self.assert_error(line, "upstream_bad_message")
                self.assertIn("at byte", line["error"]["detail"])

    def test_lines_and_events_are_a_text_each(self):
        lines = b'{"a":1}\r\n\n{"b":2}\n{"a":[3]}'
        events = b': hello\n\ndata: {"a":1}\n\nevent: x\ndata: {"a":\ndata: [3]}\n\ndata: [DONE]\n\n'
        for kind, body in (("application/x-ndjson; charset=utf-8", lines), ("text/event-stream", events)):
            with self.subTest(kind):
                backend = self.backend(answer(body, f"Content-Type: {kind}"))
                line = self.one(url=backend.url, select="/a")
                self.assertEqual((line["selected"], line["matched"]), ([1, [3]], 2))

    def test_bad_line_is_named(self):
        backend = self.backend(answer(b'{"a":1}\n{"a"}\n', "Content-Type: application/jsonl"))
        line = self.one(url=backend.url, select="/a")
        self.assert_error(line, "upstream_bad_message")
        self.assertIn("line 2 is not JSON", line["error"]["detail"])

    def test_path_that_is_none(self):
        response = self.post({"requests": [{"url": "http://a/", "select": "$..x"}]})
        self.assertEqual((response.status, response.json()["code"]), (400, "bad_parameter"))
        self.assertIn("requests[0].select:", response.json()["detail"])


if __name__ == "__main__":
    unittest.main()
