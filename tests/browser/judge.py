"""What every page has to stand: axe-core's rules and html-validate's, no console message, nothing that sticks out on a phone."""
import json
import os
import shutil
import subprocess

from chrome import DESKTOP, PHONE
from support import npm

HERE = os.path.dirname(os.path.abspath(__file__))
AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, arguments[0]).then(r => done(r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.html.slice(0, 200) + " " + n.failureSummary))), e => done([String(e)]));
"""
# All rules where width or colours differ most; colours alone where only they differ.
EVERYTHING = {"preload": False, "resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
COLOURS = {"preload": False, "resultTypes": ["violations"], "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
LOOKS = [(DESKTOP, "light", EVERYTHING), (DESKTOP, "dark", COLOURS), (PHONE, "light", COLOURS), (PHONE, "dark", EVERYTHING)]


def install(directory):
    npm.install(HERE, directory)
    shutil.copy(os.path.join(HERE, "validate.js"), directory)


class Judge:
    def __init__(self, directory):
        install(directory)
        with open(os.path.join(directory, "node_modules/axe-core/axe.min.js"), encoding="utf-8") as f:
            self.axe = f.read()
        self.node = subprocess.Popen(["node", "validate.js"], cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True)

    def close(self):
        self.node.stdin.close()
        self.node.wait(30)

    def html(self, text):
        self.node.stdin.write(json.dumps(text) + "\n")
        self.node.stdin.flush()
        return json.loads(self.node.stdout.readline())

    def look(self, chrome):
        """All that is wrong with the page that the browser shows, and its status."""
        status, text = chrome.answer()
        wrong = [f"html {m}" for m in self.html(text)]
        chrome.run(self.axe + ";")
        for size, scheme, rules in LOOKS:
            chrome.look(size, scheme)
            wrong += [f"axe {size[0]} {scheme} {m}" for m in chrome.driver.execute_async_script(AXE, rules)]
            wrong += [f"wide {size[0]} {m}" for m in chrome.wide()]
        chrome.look()
        wrong += [f"console {m}" for m in chrome.complaints()]
        return status, wrong

    def pass_(self, chrome, status=200):
        found, wrong = self.look(chrome)
        assert found == status, (chrome.path, found)
        assert not wrong, "\n".join([chrome.path, *wrong])
