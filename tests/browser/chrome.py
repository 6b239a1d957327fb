"""Debian's Chromium, driven over the pages as a person would: by what is labelled, pressed and read."""
import base64
import contextlib
import json
import os
import shutil
import tempfile
import time

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

PHONE, DESKTOP = (360, 740), (1280, 900)
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=1400,1200", "--force-color-profile=srgb")


class Chrome:
    """One browser with a profile of its own. script: whether pages may run any."""

    def __init__(self, stack, script=True):
        self.stack, self.script = stack, script
        self.base = f"https://127.0.0.1:{stack.env['TELEOPS_ADMIN_PORT']}"
        self.profile = tempfile.mkdtemp(prefix="tele-chrome.", dir="/var/tmp")
        options = webdriver.ChromeOptions()
        for o in (*OPTIONS, f"--user-data-dir={self.profile}"):
            options.add_argument(o)
        options.accept_insecure_certs = True
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        if not script:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver", log_path=os.devnull), options=options)
        self.driver.set_page_load_timeout(120)
        self.look()

    def quit(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    # -- looking

    def look(self, size=DESKTOP, scheme="light"):
        """As on a screen of that size, with that scheme of colours."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme},
                                                                               {"name": "prefers-reduced-motion", "value": "reduce"}]})
        return self

    @property
    def path(self):
        return self.driver.current_url[len(self.base):]

    @property
    def text(self):
        return self.find("main").text

    @property
    def heading(self):
        return self.find("h1").text

    def picture(self, size):
        """What is seen of the page, as PNG."""
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        return base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})["data"])

    def answer(self):
        """(status, HTML as it was sent) of the page that is shown."""
        try:
            return self.received()
        except WebDriverException:
            # Chromium keeps what was sent for a while only, and a busy machine may be later than that.
            self.driver.refresh()
            return self.received()

    def received(self):
        found = None
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.responseReceived" and message["params"]["type"] == "Document":
                found = message["params"]
        body = self.driver.execute_cdp_cmd("Network.getResponseBody", {"requestId": found["requestId"]})
        return int(found["response"]["status"]), body["body"]

    def complaints(self):
        """What the console said since the last call. A page of an error's own status is none, nor is the certificate of the tests."""
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING") and "the server responded with a status of" not in e["message"]]

    def wide(self):
        """What sticks out to the right, where the page as a whole would have to be moved aside."""
        return self.run("""
            const width = document.documentElement.clientWidth;
            if (document.scrollingElement.scrollWidth <= width) return [];
            return [...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > width + 1 && !e.closest('.scroll, pre'))
                .map(e => e.outerHTML.slice(0, 120));""")

    def run(self, script, *values):
        """Runs a script of the test's own, which goes with those of pages switched off, too."""
        return self.driver.execute_script(script, *values)

    def find(self, css):
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def has(self, css):
        return bool(self.all(css))

    def sees(self, css):
        """Whether it is there to be seen, which Selenium does not know of what is folded."""
        return self.run("return arguments[0].checkVisibility()", self.find(css))

    # -- touching

    def go(self, path):
        self.driver.get(self.base + path)
        return self

    def touch(self, css):
        """Presses what leads to no other page."""
        found = self.find(css)
        self.run("arguments[0].scrollIntoView({block: 'center'})", found)
        found.click()
        return self

    def press(self, css):
        """Presses a button or link, and waits for the page that comes."""
        with self.leaving():
            self.touch(css)
        return self

    @contextlib.contextmanager
    def leaving(self):
        """Until the page that is shown has made place for another one, which is complete."""
        self.run("window.shown = true")
        yield
        until = time.monotonic() + 60
        while not self.arrived():
            assert time.monotonic() < until, f"no other page came after {self.path}"
            time.sleep(0.01)

    def arrived(self):
        try:
            return self.run("return !window.shown && document.readyState === 'complete'")
        except WebDriverException:
            # Between two pages there is none to ask.
            return False

    def set(self, name, value):
        """Types, ticks or chooses, as the control of that name wants it."""
        controls = self.all(f'main form:not(.filters) [name="{name}"]:not([type="hidden"], button)')
        assert controls, f"no control {name} on {self.path}"
        kind = controls[0].tag_name if controls[0].tag_name == "select" else controls[0].get_attribute("type")
        if kind == "select":
            Select(controls[0]).select_by_value(value)
        elif kind == "checkbox":
            wanted = value if isinstance(value, (list, tuple)) else [controls[0].get_attribute("value")] if value else []
            for box in controls:
                if box.is_selected() != (box.get_attribute("value") in wanted):
                    box.click()
        else:
            controls[0].clear()
            controls[0].send_keys(value)
        return self

    def fill(self, values):
        for name, value in values.items():
            self.set(name, value)
        return self

    def lax(self):
        """Without the browser's own look at what is needed, so that the server has to."""
        self.run("for (const f of document.forms) f.noValidate = true")
        return self

    def value(self, name):
        return self.find(f'main form:not(.filters) [name="{name}"]').get_attribute("value")

    def error(self, name):
        """What is said beside a field, which must be tied to it."""
        control = self.find(f'main [name="{name}"]')
        assert control.get_attribute("aria-invalid") == "true", name
        told = [self.find(f'[id="{i}"]') for i in control.get_attribute("aria-describedby").split() if i.endswith("-error")]
        assert told, name
        return told[0].text

    def sign_in(self, login, password):
        self.go("/signin").find("#login").send_keys(login)
        self.find("#password").send_keys(password)
        return self.press("#sign-in")
