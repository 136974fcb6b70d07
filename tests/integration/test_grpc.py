"""gRPC through Millrace: Debian's grpcio on both sides, HTTP/2 all the way, nothing configured but
the h2c target."""

import concurrent.futures
import threading
import unittest

import grpc

import harness
from test_proxy import config

SERVICE = "millrace.test.Service"


class Service(grpc.GenericRpcHandler):
    """Bytes in, bytes out: no generated code."""

    def __init__(self):
        self.cancelled = threading.Event()
        self.metadata = []

    def service(self, call):
        self.metadata.append(dict(call.invocation_metadata))
        return {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Down": grpc.unary_stream_rpc_method_handler(self.down),
            "Up": grpc.stream_unary_rpc_method_handler(self.up),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "FailLate": grpc.unary_stream_rpc_method_handler(self.fail_late),
            "Forever": grpc.unary_stream_rpc_method_handler(self.forever),
        }.get(call.method.rsplit("/", 1)[1])

    def unary(self, request, context):
        context.set_trailing_metadata((("x-after", "yes"), ("x-data-bin", b"\x00\xff")))
        return request[::-1]

    def down(self, request, context):
        for number in range(int(request)):
            yield b"%d" % number

    def up(self, requests, context):
        return b",".join(requests)

    def both(self, requests, context):
        for request in requests:
            yield request.upper()

    def fail(self, request, context):
        context.set_trailing_metadata((("x-reason", "because"),))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "grüße: not now")

    def fail_late(self, request, context):
        yield b"first"
        context.abort(grpc.StatusCode.DATA_LOSS, "then it broke")

    def forever(self, request, context):
        context.add_callback(self.cancelled.set)
        yield b"begun"
        self.cancelled.wait(harness.DEADLINE_S)


class Grpc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()
        # More threads than calls: one that waits must not stand in another's way.
        pool = cls.enterClassContext(concurrent.futures.ThreadPoolExecutor(16))
        server = grpc.server(pool, handlers=[cls.service])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        cls.addClassCleanup(lambda: server.stop(0).wait())
        cls.server = cls.enterClassContext(
            harness.Millrace(config([f"h2c://127.0.0.1:{port}"])))

    def setUp(self):
        self.service.cancelled.clear()
        self.channel = self.enterContext(grpc.insecure_channel(self.server.address))

    def call(self, kind, name):
        return getattr(self.channel, kind)(f"/{SERVICE}/{name}")

    def test_unary(self):
        answer, call = self.call("unary_unary", "Unary").with_call(
            b"abc", timeout=harness.DEADLINE_S, metadata=[("x-mine", "1")])
        self.assertEqual((answer, call.code()), (b"cba", grpc.StatusCode.OK))
        trailers = dict(call.trailing_metadata())
        self.assertEqual((trailers["x-after"], trailers["x-data-bin"]), ("yes", b"\x00\xff"))
        self.assertEqual(self.service.metadata[-1]["x-mine"], "1")

    def test_messages_of_a_megabyte(self):
        message = bytes(range(256)) * 4 * 1024
        self.assertEqual(self.call("unary_unary", "Unary")(message, timeout=harness.DEADLINE_S),
                         message[::-1])

    def test_server_stream(self):
        answers = self.call("unary_stream", "Down")(b"500", timeout=harness.DEADLINE_S)
        self.assertEqual(list(answers), [b"%d" % number for number in range(500)])

    def test_client_stream(self):
        answer = self.call("stream_unary", "Up")(iter([b"a", b"b", b"c"]),
                                                 timeout=harness.DEADLINE_S)
        self.assertEqual(answer, b"a,b,c")

    def test_both_at_once_message_by_message(self):
        heard = threading.Semaphore(1)

        def talk():
            for number in range(50):
                assert heard.acquire(timeout=harness.DEADLINE_S)  # the answer to the one before
                yield b"m%d" % number

        answers = []
        for answer in self.call("stream_stream", "Both")(talk(), timeout=harness.DEADLINE_S):
            answers.append(answer)
            heard.release()
        self.assertEqual(answers, [b"M%d" % number for number in range(50)])

    def test_many_calls_at_once(self):
        call = self.call("unary_unary", "Unary")
        futures = [call.future(b"%d-" % n, timeout=harness.DEADLINE_S) for n in range(200)]
        self.assertEqual([f.result() for f in futures],
                         [(b"%d-" % n)[::-1] for n in range(200)])

    def assert_fails(self, call, code, details):
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        self.assertEqual((caught.exception.code(), caught.exception.details()), (code, details))
        return dict(caught.exception.trailing_metadata())

    def test_a_status_without_a_message(self):
        trailers = self.assert_fails(
            lambda: self.call("unary_unary", "Fail")(b"", timeout=harness.DEADLINE_S),
            grpc.StatusCode.FAILED_PRECONDITION, "grüße: not now")
        self.assertEqual(trailers["x-reason"], "because")

    def test_a_status_behind_messages(self):
        answers = self.call("unary_stream", "FailLate")(b"", timeout=harness.DEADLINE_S)
        self.assertEqual(next(answers), b"first")
        self.assert_fails(lambda: next(answers), grpc.StatusCode.DATA_LOSS, "then it broke")

    def test_a_method_that_is_not_there(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.call("unary_unary", "Nothing")(b"", timeout=harness.DEADLINE_S)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_a_call_that_is_cancelled_ends_at_the_service(self):
        answers = self.call("unary_stream", "Forever")(b"", timeout=harness.DEADLINE_S)
        self.assertEqual(next(answers), b"begun")
        answers.cancel()
        self.assertTrue(self.service.cancelled.wait(harness.DEADLINE_S))

    def test_a_deadline_that_passes_ends_it_there_too(self):
        answers = self.call("unary_stream", "Forever")(b"", timeout=1)
        self.assertEqual(next(answers), b"begun")
        with self.assertRaises(grpc.RpcError) as caught:
            next(answers)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertTrue(self.service.cancelled.wait(harness.DEADLINE_S))

    def test_a_channel_that_closes_ends_its_calls(self):
        answers = self.call("unary_stream", "Forever")(b"", timeout=harness.DEADLINE_S)
        self.assertEqual(next(answers), b"begun")
        self.channel.close()
        self.assertTrue(self.service.cancelled.wait(harness.DEADLINE_S))


if __name__ == "__main__":
    unittest.main()
