"""Where pages are: for each address of telemanager.fcgi's own table one that exists, found by following links."""
import json
import os
import re
import subprocess

from support.cluster import BUILD


def table():
    program = os.path.join(BUILD, "telemanager.fcgi")
    return json.loads(subprocess.run([program, "--routes"], stdout=subprocess.PIPE, check=True, timeout=10).stdout)


def routes():
    """What can be looked at: addresses with GET, but not those for machines."""
    return sorted(r["path"] for r in table() if r["method"] == "GET" and r["need"] != "machine")


def lists():
    """Pages of what is many: where new ones are made, or something is done to several."""
    posted = {r["path"] for r in table() if r["method"] == "POST" and r["area"]}
    return [r for r in routes() if "{" not in r and not r.endswith("/new") and (r in posted or r + "/new" in posted)]


class Places:
    def __init__(self, browser):
        self.browser = browser
        self.found = {r: r for r in routes() if "{" not in r}
        self.patterns = {r: re.compile(re.sub(r"\\{\w+\\}", "([^/?#]+)", re.escape(r)) + "$") for r in routes() if "{" in r}
        todo = list(self.found.values())
        while todo:
            page = self.browser.get(todo.pop())
            if page.headers.get("content-type", "").startswith("text/html"):
                todo += self.meet(page.links("^/"))

    def meet(self, links):
        """The first link for each address is the one to go to; gives those that are new."""
        new = []
        for path in sorted({x.split("?")[0].split("#")[0] for x in links}):
            for route, pattern in self.patterns.items():
                if route not in self.found and path not in self.found and pattern.match(path):
                    self.found[route] = path
                    new.append(path)
        return new
