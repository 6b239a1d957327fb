"""A small FastCGI client (fastcgi-archives.github.io/FastCGI_Specification.html): asks a program as nginx would, with parameters of the test's own."""
import socket
import struct

BEGIN, END, PARAMS, STDIN, STDOUT, STDERR = 1, 3, 4, 5, 6, 7
RESPONDER, KEEP = 1, 1


def record(kind, body=b""):
    return struct.pack("!BBHHBx", 1, kind, 1, len(body), 0) + body


def length(n):
    return bytes([n]) if n < 128 else struct.pack("!I", n | 0x80000000)


def pairs(params):
    told = b""
    for key, value in params.items():
        key, value = key.encode(), value.encode()
        told += length(len(key)) + length(len(value)) + key + value
    return told


def exactly(stream, n):
    got = stream.read(n)
    if len(got) != n:
        raise ConnectionError("the program closed the connection within an answer")
    return got


def answer_of(stream):
    out = b""
    while True:
        _, kind, _, size, padding = struct.unpack("!BBHHBx", exactly(stream, 8))
        body = exactly(stream, size)
        exactly(stream, padding)
        if kind == END:
            return out
        if kind == STDOUT:
            out += body


def get(path, script, remote="127.0.0.1", headers=None, method="GET", timeout=20):
    """GET script at the socket `path`: (status, headers, body)."""
    params = {"REQUEST_METHOD": method, "SCRIPT_NAME": script, "QUERY_STRING": "", "CONTENT_TYPE": "", "CONTENT_LENGTH": "0" if method == "POST" else "",
              "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "test", "REMOTE_ADDR": remote, "HTTPS": "on",
              **{"HTTP_" + k.upper().replace("-", "_"): v for k, v in (headers or {}).items()}}
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(path)
        s.sendall(record(BEGIN, struct.pack("!HB5x", RESPONDER, 0)) + record(PARAMS, pairs(params)) + record(PARAMS) + record(STDIN))
        with s.makefile("rb") as stream:
            head, _, body = answer_of(stream).partition(b"\r\n\r\n")
    told = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    return int(told.pop("Status").split()[0]), told, body.decode()


class Connection:
    """A connection that is kept, as nginx keeps those to TeleBot."""

    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.stream = self.socket.makefile("rb")

    def post(self, script, body, headers):
        """The status of its answer."""
        params = {"REQUEST_METHOD": "POST", "SCRIPT_NAME": script, "QUERY_STRING": "", "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)),
                  "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "test", "REMOTE_ADDR": "127.0.0.1", "HTTPS": "on",
                  **{"HTTP_" + k.upper().replace("-", "_"): v for k, v in headers.items()}}
        self.socket.sendall(record(BEGIN, struct.pack("!HB5x", RESPONDER, KEEP)) + record(PARAMS, pairs(params)) + record(PARAMS) + record(STDIN, body) + record(STDIN))
        head = answer_of(self.stream).partition(b"\r\n\r\n")[0].decode()
        return int(dict(line.split(": ", 1) for line in head.split("\r\n"))["Status"].split()[0])

    def close(self):
        self.stream.close()
        self.socket.close()
