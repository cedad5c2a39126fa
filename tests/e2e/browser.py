"""Chromium, headless, signed in to Airflow: what a person sees."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1500",
)
PAGE_LIMIT_SECONDS = 60


def chromium_is_there() -> bool:
    """Whether this machine has Chromium and its driver."""
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


def make_driver(*, log_browser: bool = False) -> webdriver.Chrome:
    """Start Chromium; with `log_browser` it keeps what its console says."""
    options = Options()
    options.binary_location = shutil.which("chromium") or ""
    for flag in _FLAGS:
        options.add_argument(flag)
    if log_browser:
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


@contextmanager
def open_airflow(url: str, user: str, password: str) -> Iterator[Any]:
    """A browser that is signed in."""
    driver = make_driver()
    try:
        driver.get(f"{url}/auth/login")
        wait = WebDriverWait(driver, PAGE_LIMIT_SECONDS)
        wait.until(lambda d: d.find_elements(By.NAME, "username"))[0].send_keys(user)
        driver.find_element(By.NAME, "password").send_keys(password)
        driver.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        wait.until(lambda d: "login" not in d.current_url)
        yield driver
    finally:
        driver.quit()


def wait_for_text(driver: Any, *texts: str) -> str:
    """Wait until the page shows all texts; return its whole text."""

    def shows(d: Any) -> str | None:
        body = str(d.find_element(By.TAG_NAME, "body").text)
        return body if all(text in body for text in texts) else None

    return str(WebDriverWait(driver, PAGE_LIMIT_SECONDS, ignored_exceptions=(Exception,)).until(shows))
