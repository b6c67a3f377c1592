"""The checks of check-dashboard.sh: drives Chromium through the dashboard of a database of its own.

    check-dashboard.py OFA AXE SCREENS WORK

OFA is the program, AXE the file of axe-core, SCREENS the folder of screenshots, WORK an empty folder.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

OFA, AXE, SCREENS, WORK = sys.argv[1:5]
ENVIRONMENT = dict(os.environ, OFA_HOME=os.path.join(WORK, "home"))
ENVIRONMENT.pop("OFA_DATABASE_URL", None)
HOSTILE = "<img src=x onerror=alert(1)>"
# A short training: what matters are pages with every kind of content, not accuracies.
SHORT = ["epochs", "warmup_epochs"]
problems = []


def say(text):
    print(f"check-dashboard: {text}", file=sys.stderr, flush=True)


def problem(text):
    problems.append(text)
    say(f"PROBLEM: {text}")


def ofa(*arguments, check=True):
    """Runs a command and returns its JSON answer."""
    done = subprocess.run([OFA, *arguments, "--json"], env=ENVIRONMENT, capture_output=True, text=True)
    if check and done.returncode != 0:
        sys.exit(f"check-dashboard: ofa {' '.join(arguments)}: {done.stderr[-2000:]}")
    return json.loads(done.stdout) if done.stdout.strip() else None


def started(*arguments, log):
    """Starts a command whose output goes to a file."""
    file = open(os.path.join(WORK, log), "w")
    return subprocess.Popen([OFA, *arguments], env=ENVIRONMENT, stdout=file, stderr=subprocess.STDOUT)


def browser(width, dark=False, scripts=True):
    """A browser window of a width."""
    options = Options()
    for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--hide-scrollbars", "--no-proxy-server", f"--window-size={width},900"]:
        options.add_argument(argument)
    if dark:
        options.add_argument("--force-dark-mode")
        options.add_argument("--blink-settings=preferredColorScheme=0")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not scripts:
        options.add_experimental_option(
            "prefs", {"profile.managed_default_content_settings.javascript": 2})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    # Headless windows have a least width; the metrics of the device have none.
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
    scheme = "dark" if dark else "light"
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                           {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    driver.set_page_load_timeout(60)
    return driver


def until(what, fact, seconds=120):
    """Waits for a fact."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = fact()
        if value:
            return value
        time.sleep(0.2)
    problem(f"{what} did not happen within {seconds} s")
    return None


def messages(driver, place):
    """Notes every message of the console."""
    for entry in driver.get_log("browser"):
        problem(f"{place}: the console says {entry['level']} {entry['message']}")


def name_of(path):
    return re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-") or "root"


def links(driver):
    """The pages of this server that the shown page leads to."""
    found = driver.execute_script(
        "return [...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))")
    return [link for link in found if link.startswith("/") and not link.startswith("//")]


def shape(path):
    """Pages of one shape differ in numbers and names only; some of each are enough."""
    path, _, query = path.partition("?")
    parts = path.strip("/").split("/")
    fields = sorted(field.split("=")[0] for field in query.split("&") if field)
    return "/".join([parts[0]] + ["*"] * (len(parts) > 1) + parts[2:3]) + "?" + "&".join(fields)


def is_file(path):
    return bool(re.search(r"/(download|definition|sheet\.png|network\.onnx|lineage\.svg|log\.txt)(\?|$)|\.(svg|png|onnx|csv|json)(\?|$)",
                          path))


def crawl(driver, base):
    """Returns the addresses of pages that links lead to from the first page, up to two of each shape."""
    seen, todo, pages, shapes = set(), ["/runs"], [], {}
    while todo:
        path = todo.pop(0)
        path = path.partition("#")[0]
        if not path or path in seen or is_file(path):
            continue
        seen.add(path)
        kind = shape(path)
        if shapes.get(kind, 0) >= 2:
            continue
        shapes[kind] = shapes.get(kind, 0) + 1
        driver.get(base + path)
        pages.append(path)
        todo += links(driver)
    return pages


def inspect(driver, base, path, width, look, axe):
    """Loads a page and checks it."""
    driver.get(base + path)
    place = f"{path} at {width} px, {look}"
    wide = driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    if wide > 0:
        culprit = driver.execute_script(
            "return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right >"
            " innerWidth + 1 && !e.closest('.scroll,pre,svg') && !e.closest('.unseen')).slice(0,3)"
            ".map(e => e.outerHTML.slice(0,120))")
        problem(f"{place}: {wide} px wider than the window: {culprit}")
    if not driver.find_elements(By.TAG_NAME, "h1") or not driver.title:
        problem(f"{place}: no heading or title")
    driver.execute_script(axe)
    found = driver.execute_async_script(
        "const done = arguments[0]; axe.run(document).then(r => done(r.violations.map(v => [v.id, v.help,"
        " v.nodes.length, v.nodes[0].html.slice(0, 200), (v.nodes[0].failureSummary || '').slice(0, 300)])))")
    for rule, text, count, example, summary in found:
        problem(f"{place}: {rule} ({text}) at {count} places, such as {example}: {summary}")
    messages(driver, place)
    height = driver.execute_script("return document.documentElement.scrollHeight")
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": min(max(900, height), 6000), "deviceScaleFactor": 1,
                            "mobile": width < 500})
    driver.save_screenshot(os.path.join(SCREENS, f"{name_of(path)}-{width}-{look}.png"))
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})


def press(driver, name):
    """Presses the button whose accessible name begins with `name`."""
    for button in driver.find_elements(By.TAG_NAME, "button"):
        if button.accessible_name.startswith(name):
            button.click()
            return True
    problem(f"{driver.current_url} has no button {name}")
    return False


def fill(driver, fields):
    """Fills in fields by their names, in the form that has all of them; returns the form."""
    for form in driver.find_elements(By.TAG_NAME, "form"):
        inputs = {name: form.find_elements(By.NAME, name) for name in fields}
        if not all(inputs.values()):
            continue
        for name, value in fields.items():
            element = inputs[name][0]
            if element.tag_name == "select":
                for option in element.find_elements(By.TAG_NAME, "option"):
                    if option.get_attribute("value") == value:
                        option.click()
            else:
                element.clear()
                element.send_keys(value)
        return form
    problem(f"{driver.current_url} has no form with {', '.join(fields)}")
    return None


def pipeline():
    """Writes the quick pipeline with a hostile name and few steps."""
    text = open("pipelines/fashion-mnist-quick.yaml").read()
    for key in SHORT:
        text = re.sub(rf"^(\s+{key}:) .*$", lambda m: f"{m.group(1)} {0.04 if key == 'epochs' else 0.01}", text,
                      flags=re.M)
    folder = os.environ.get("OFA_FASHION_MNIST")
    if folder:
        text = text.replace("/usr/share/datasets/fashion-mnist", folder)
    path = os.path.join(WORK, "short.yaml")
    with open(path, "w") as file:
        file.write(text)
    return path


def live(driver, base, run, worker):
    """A page of a run that trains changes without being loaded again."""
    driver.get(f"{base}/runs/{run}")
    driver.execute_script("window.notReloaded = true")
    first = driver.find_element(By.ID, "page").text
    until("a page that changes while its run trains",
          lambda: driver.find_element(By.ID, "page").text != first)
    until("the end of the run", lambda: ofa("status", str(run))["state"] != "running", 600)
    until("a page that shows its run's end", lambda: "completed" in driver.find_element(By.ID, "page").text)
    if not driver.execute_script("return window.notReloaded === true"):
        problem("the page of the run was loaded again")
    text = driver.find_element(By.TAG_NAME, "body").text
    if HOSTILE not in text:
        problem("the run's name is not shown as text")
    if worker.poll() is not None:
        problem(f"the worker ended: {open(os.path.join(WORK, 'worker.log')).read()[-800:]}")


def device_form(driver, base):
    """A device enqueued through the form runs to its network."""
    driver.get(f"{base}/devices")
    form = fill(driver, {"name": "browser-board", "kind": "microcontroller", "max_macs": "4000000"})
    if form is None:
        return
    form.find_element(By.CSS_SELECTOR, "button").click()
    if "/devices/browser-board" not in driver.current_url and "/runs/" not in driver.current_url:
        problem(f"the form led to {driver.current_url}: {driver.find_element(By.ID, 'page').text[:300]}")
    until("a network of the device of the form",
          lambda: [row for row in ofa("device", "list") if row["name"] == "browser-board"]
          and [row for row in ofa("artifacts", "list", "--kind", "subnet") if "browser-board" in json.dumps(row)],
          300)
    driver.get(f"{base}/devices/browser-board")
    until("the page of the device that shows its network",
          lambda: re.search(r"/artifacts/\d+", driver.page_source), 60)
    driver.save_screenshot(os.path.join(SCREENS, "form-led-to.png"))
    # A wrong value is refused, named, and changes nothing.
    before = len(ofa("device", "list"))
    driver.get(f"{base}/devices")
    form = fill(driver, {"name": "wrong-board", "kind": "microcontroller", "max_macs": "-5"})
    if form is not None:
        driver.execute_script("arguments[0].noValidate = true", form)
        form.find_element(By.CSS_SELECTOR, "button").click()
        if "max_macs" not in driver.find_element(By.TAG_NAME, "main").text:
            problem("a wrong value is not named on the page of the error")
        if len(ofa("device", "list")) != before:
            problem("a wrong form added a device")
    # The error's own status is a message of the console.
    driver.get_log("browser")


def cancel_and_retry(driver, base, file):
    """A run without a worker: its job is cancelled and retried by buttons."""
    run = ofa("enqueue", file, "--name", "to-cancel", "--set", "seed=7")["run"]
    job = ofa("jobs", "--run", str(run))[0]
    number = str(job.get("job", job.get("id")))
    driver.get(f"{base}/jobs/{number}")
    if press(driver, "Cancel"):
        until("a cancelled job", lambda: ofa("job", "show", number)["state"] == "cancelled", 30)
        if "cancelled" not in driver.find_element(By.ID, "page").text:
            problem("the page does not show that the job is cancelled")
    driver.get(f"{base}/jobs/{number}")
    if press(driver, "Retry"):
        until("a retried job", lambda: ofa("job", "show", number)["state"] == "available", 30)
    driver.get(f"{base}/runs/{run}")
    if press(driver, "Cancel"):
        until("a cancelled run", lambda: ofa("status", str(run))["state"] != "running", 30)
    messages(driver, "cancel and retry")


def without_scripts(base, pages):
    """Every page tells the same without JavaScript."""
    on, off = browser(1280), browser(1280, scripts=False)
    try:
        for path in pages:
            texts = []
            for driver in (on, off):
                driver.get(base + path)
                text = driver.find_element(By.ID, "page").text
                # Times and ages differ between two loads.
                texts.append(re.sub(r"[0-9][0-9.,: ]*( ?(ms|s|min|h|d)\b)?", "0", text))
            if texts[0] != texts[1]:
                lines = set(texts[0].splitlines()) ^ set(texts[1].splitlines())
                problem(f"{path} tells something else without JavaScript: {sorted(lines)[:4]}")
    finally:
        on.quit()
        off.quit()


def main():
    axe = open(AXE).read()
    file = pipeline()
    began = time.monotonic()
    run = ofa("enqueue", file, "--name", HOSTILE)["run"]
    serve = subprocess.Popen([OFA, "serve", "--port", "0", "--json"], env=ENVIRONMENT, stdout=subprocess.PIPE,
                             text=True)
    base = json.loads(serve.stdout.readline())["url"].rstrip("/")
    say(f"the dashboard is at {base}")
    worker = started("worker", log="worker.log")
    driver = browser(1280)
    try:
        live(driver, base, run, worker)
        say(f"the run has ended after {time.monotonic() - began:.0f} s")
        device_form(driver, base)
        worker.send_signal(signal.SIGTERM)
        worker.wait(60)
        cancel_and_retry(driver, base, file)
        pages = crawl(driver, base)
        driver.get_log("browser")
        say(f"{len(pages)} pages: {' '.join(pages)}")
        driver.quit()
        for width in (1280, 390):
            for dark in (False, True):
                driver = browser(width, dark)
                for path in pages:
                    inspect(driver, base, path, width, "dark" if dark else "light", axe)
                driver.quit()
        without_scripts(base, pages)
    finally:
        if worker.poll() is None:
            worker.kill()
        serve.send_signal(signal.SIGTERM)
        if serve.wait(30) != 0:
            problem(f"ofa serve ended with {serve.returncode} after SIGTERM")
        subprocess.run([OFA, "db", "stop"], env=ENVIRONMENT, capture_output=True)
    say(f"{len(problems)} problems after {time.monotonic() - began:.0f} s; screenshots are in {SCREENS}")
    if problems:
        sys.exit(1)
    print(f"check-dashboard: {len(pages)} pages in 4 looks and without JavaScript: no problem")


main()
