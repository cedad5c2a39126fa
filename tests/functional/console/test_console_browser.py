"""The console in Chromium: what a person sees, clicks, and tabs through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from console_names import HOSTILE
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.e2e.browser import chromium_is_there, make_driver, wait_for_text

pytestmark = [
    pytest.mark.browser,
    pytest.mark.usefixtures("filled"),
    pytest.mark.skipif(not chromium_is_there(), reason="there is no Chromium"),
]
LIMIT_SECONDS = 60


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    driver = make_driver(log_browser=True)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def page(browser, cloud):
    """Opens a page of the console, and sees to it that the browser had nothing to complain about."""

    def open_page(path: str) -> Any:
        browser.get(f"{cloud.url}/_localcloud/console{path}")
        return browser

    browser.get("about:blank")
    browser.get_log("browser")
    yield open_page
    assert browser.get_log("browser") == []
    assert "owned" not in browser.title


def test_the_overview_leads_to_what_rings(page):
    driver = page("")
    wait_for_text(driver, "Ringing alarms", "Alarms, 1 ringing", "No service yet.", "No job yet.")
    driver.find_element(By.LINK_TEXT, "errors").click()
    wait_for_text(driver, "set by hand", "Metric of the last three hours", "Alarm updated from INSUFFICIENT_DATA")
    assert driver.title == "errors – Alarms – localcloud"
    assert driver.find_elements(By.CSS_SELECTOR, "figure.chart svg path.line")


def test_names_stay_text(page):
    driver = page("#/buckets/models?prefix=digits/")
    wait_for_text(driver, HOSTILE)
    driver.get(driver.current_url.replace("#/buckets/models?prefix=digits/", "#/tables/registry"))
    wait_for_text(driver, f"00 {HOSTILE}")
    driver.get(driver.current_url.replace("#/tables/registry", "#/alarms/errors"))
    wait_for_text(driver, HOSTILE)
    assert driver.find_elements(By.CSS_SELECTOR, "main img") == []


def test_links_of_awss_console_lead_to_ours(page):
    wait_for_text(page("/s3/buckets/models?region=us-east-1"), "digits/")
    wait_for_text(page("/cloudwatch/home?region=us-east-1#alarmsV2:alarm/errors"), "set by hand")


def test_the_keyboard_reaches_everything(page):
    driver = page("#/tables")
    wait_for_text(driver, "registry")
    reached = []
    for _ in range(25):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(driver.switch_to.active_element.text)
        if reached[-1] == "registry":
            break
    assert reached[-1] == "registry"
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    wait_for_text(driver, "keys pk", "Next page")


def test_a_change_appears_by_itself_and_what_is_the_same_stays(page, client):
    driver = page("#/queues")
    wait_for_text(driver, "arrivals")
    row = driver.find_element(By.CSS_SELECTOR, "tbody tr")
    client("sqs").create_queue(QueueName="dead-letters")
    wait_for_text(driver, "dead-letters")
    assert row.is_displayed()  # the same element: it was not drawn anew


def test_it_says_when_localcloud_is_away(page):
    driver = page("#/queues")
    wait_for_text(driver, "arrivals", "live")
    driver.execute_script("window.fetch = () => Promise.reject(new TypeError('gone'));")
    wait_for_text(driver, "localcloud does not answer", "arrivals")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_day_and_night_have_their_colours(page, browser, scheme):
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    wait_for_text(page(""), "Overview")
    colour = browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    assert ("250" in colour) == (scheme == "light")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_log_and_a_chart_grow_while_a_page_is_open(page, client):
    driver = page("#/alarms/errors")
    wait_for_text(driver, "set by hand")
    client("cloudwatch").put_metric_data(Namespace="Tests", MetricData=[{"MetricName": "errors", "Value": 41.0}])
    WebDriverWait(driver, LIMIT_SECONDS).until(
        lambda d: d.find_element(By.CSS_SELECTOR, "figure.chart figcaption b").text in {"41", "50"}
    )
