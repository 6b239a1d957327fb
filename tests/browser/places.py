"""Where pages are: for each address of telemanager.fcgi's own table one that exists, found by following links."""
import html
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
    """found: where to go for an address of the table, with the query of a link where it makes no sense without."""

    def __init__(self, browser):
        self.browser = browser
        self.found = {}
        self.patterns = {r: re.compile(re.sub(r"\\{\w+\\}", "([^/?#]+)", re.escape(r)) + "$") for r in routes()}
        todo = [r for r in routes() if "{" not in r]
        while todo:
            path = todo.pop()
            page = self.browser.get(path)
            if page.status == 200:
                self.found.setdefault(self.route(path), path)
            if page.status == 200 and page.headers["content-type"].startswith("text/html"):
                todo += self.meet(re.findall(r'(?:href|data-live)="(/[^"#]*)', page.text))

    def route(self, path):
        path = path.split("?")[0]
        return path if path in self.patterns else next((r for r, p in self.patterns.items() if p.match(path)), None)

    def meet(self, links):
        """The first link for each address that nothing was found for yet."""
        new = {}
        for link in sorted(links):
            route = self.route(link)
            if route and route not in self.found and ("{" in route or "?" in link):
                new.setdefault(route, html.unescape(link))
        return list(new.values())
