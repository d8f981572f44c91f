"""Malformed requests are sent as intended, and wrong responses are reported."""

import socket
import threading
import unittest

import bad_inputs
import bad_pictures
from borrowed import pictures
from wire import exchange, request


class Door:
    """Accepts one connection, reads a little, answers with `answer`."""

    def __init__(self, answer):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.once, args=[answer])
        self.thread.start()

    def once(self, answer):
        connection, _ = self.socket.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)

    def close(self):
        self.thread.join()
        self.socket.close()


def answered(answer):
    """The problem reported for this response to an input that must get 400 `no_picture`."""
    door = Door(answer)
    bad = bad_inputs.predict("nothing", b"", 400, "no_picture")
    wrong = bad_inputs.wrongly_answered(bad, {bad_inputs.DATA: door.port})
    door.close()
    return wrong


def http(status, body):
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


class Answers(unittest.TestCase):
    def test_the_right_refusal_is_right(self):
        self.assertIsNone(answered(http(400, '{"code":"no_picture"}')))

    def test_anything_else_is_told(self):
        for answer, problem in (
            (http(200, '{"code":"no_picture"}'), "200 instead of 400"),
            (http(500, ""), "500 instead of 400"),
            (http(400, '{"code":"json_invalid"}'), "json_invalid instead of no_picture"),
            (http(400, "no JSON"), "without a code"),
            (b"", "0 instead of 400"),
        ):
            self.assertIn(problem, answered(answer))

    def test_an_answer_is_read_whole(self):
        door = Door(http(200, "x" * 10_000))
        self.assertEqual(exchange(door.port, request("GET", "/")), (200, b"x" * 10_000))
        door.close()


class Inputs(unittest.TestCase):
    def test_each_has_a_name_of_its_own_and_must_be_refused_or_is_a_bomb(self):
        every = bad_inputs.every()
        self.assertEqual(len({bad.name for bad in every}), len(every))
        answered = {bad.name for bad in every if bad.status == 200}
        self.assertEqual(answered, {bomb.name for bomb in bad_inputs.bombs()})
        self.assertTrue(all(400 <= bad.status < 500 for bad in every if bad.name not in answered))

    def test_the_picture_that_they_are_made_from_is_good(self):
        rows = pictures.read(bad_pictures.png())
        self.assertEqual(rows, [bytes(28)] * 28)

    def test_bombs_are_small_and_hold_much(self):
        self.assertLess(len(bad_pictures.bomb(20)), 50_000)


if __name__ == "__main__":
    unittest.main()
