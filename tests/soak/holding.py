"""A deliberate leak: a client that opens connections each round and never closes them. The soak test must fail with it."""

import socket
import threading

EACH_ROUND = 3
# More often than idle connections are closed.
KEEP_SECONDS = 1
QUESTION = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


class Holder:
    def __init__(self, port):
        self.port, self.held, self.end = port, [], threading.Event()
        self.thread = threading.Thread(target=self.keep)
        self.thread.start()

    def more(self):
        self.held = self.held + [socket.create_connection(("127.0.0.1", self.port)) for _ in range(EACH_ROUND)]

    def keep(self):
        while not self.end.wait(KEEP_SECONDS):
            for connection in self.held:
                connection.sendall(QUESTION)
                connection.recv(4096)

    def stop(self):
        self.end.set()
        self.thread.join()
        for connection in self.held:
            connection.close()
