"""What tests say to the simulator; nothing but the standard library."""
import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))


class Client:
    def __init__(self, address):
        self.address = address

    def call(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data=data, method=method, headers={"Content-Type": "application/json"} if data else {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            return json.load(e)

    def say(self, who, text, chat=None, **more):
        return self.call("/sim/message", {"from": who, "text": text, **({"chat": chat} if chat else {}), **more})

    def send(self, who, name, body, caption="", chat=None, **more):
        """A document with a caption; body: its bytes, or how many."""
        held = {"size": body} if isinstance(body, int) else {"base64": base64.b64encode(body).decode()}
        return self.say(who, caption, chat=chat, document={"name": name, **held, **more.pop("document", {})}, **more)

    def press(self, who, message_id, data, chat=None):
        return self.call("/sim/press", {"from": who, "message_id": message_id, "data": data, **({"chat": chat} if chat else {})})

    def update(self, **update):
        return self.call("/sim/update", update)

    def fault(self, kind, **rule):
        return self.call("/sim/fault", {"kind": kind, **rule})

    def messages(self, chat):
        return self.call(f"/sim/chat/{chat}")["messages"]

    def answers(self, chat):
        """Texts of the bot in a chat, in order."""
        return [m.get("text", m.get("caption", "")) for m in self.messages(chat) if m.get("from", {}).get("is_bot")]

    def calls(self, method="", since=0):
        return self.call(f"/sim/calls?method={method}&since={since}")["calls"]

    def file(self, file_id):
        with urllib.request.urlopen(f"{self.address}/sim/file/{file_id}", timeout=60) as answer:
            return answer.read()

    def health(self):
        return self.call("/sim/health")

    def wait(self, what, timeout=20):
        """Calls what() until it gives something true."""
        until = time.monotonic() + timeout
        while True:
            found = what()
            if found or time.monotonic() > until:
                return found
            time.sleep(0.05)

    def wait_answers(self, chat, count, timeout=20):
        self.wait(lambda: len(self.answers(chat)) >= count, timeout)
        return self.answers(chat)


class Process(Client):
    """A simulator of one's own, on a free port."""

    def __init__(self, directory, token, *options):
        port_file = os.path.join(str(directory), "simulator.address")
        if os.path.exists(port_file):
            os.unlink(port_file)
        self.process = subprocess.Popen(["/usr/bin/python3", os.path.join(HERE, "simulator.py"), "--listen", "127.0.0.1:0", "--port-file", port_file, *options],
                                        env={**os.environ, "TELEOPS_BOT_TOKEN": token}, stdout=subprocess.DEVNULL, stderr=sys.stderr)
        until = time.monotonic() + 20
        while not os.path.exists(port_file):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the simulator did not start")
            time.sleep(0.02)
        with open(port_file, encoding="utf-8") as f:
            super().__init__(f.read().strip())
        self.token = token

    def bot(self, method, body=None):
        return self.call(f"/bot{self.token}/{method}", body or {})

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
