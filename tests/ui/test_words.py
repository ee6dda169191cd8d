"""The page in Chinese, in a real browser."""

from typing import Any

from tests.fakes.browser import PageServer, watch

WRITTEN = "Try 2 of 4 in 40 s. Last time: The program crashed (segfault) (signal 11). Nobody knows this."
TOLD = "40 s 后进行第 2 次尝试，共 4 次。上一次：程序崩溃（段错误）（信号 11）。Nobody knows this."


def test_the_browser_chooses_the_language_and_the_switch_remembers(browser: Any, server: PageServer):
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    errors = watch(page, server.url)
    page.goto(f"{server.url}/?tab=models")
    page.get_by_role("tab", name="模型", exact=True).and_(page.locator(".selected")).wait_for()
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    page.get_by_role("tab", name="试验台", exact=True).click()
    page.get_by_text("制作这个模型的人试用它时的设置").wait_for()  # why a preset is one
    assert page.evaluate("(text) => window.studio.told(text)", WRITTEN) == TOLD
    page.get_by_role("tab", name="模型", exact=True).click()
    page.get_by_role("button", name="English").click()
    page.get_by_role("tab", name="Models", exact=True).wait_for()
    page.reload()
    page.get_by_role("tab", name="Models", exact=True).wait_for()
    assert page.evaluate("document.documentElement.lang") == "en"
    for n, told in ((1, "1 row"), ("1", "1 row"), (0, "0 rows"), ("1,001", "1,001 rows")):
        assert page.evaluate("(n) => window.studio.say('{n} {n:row|rows}', { n })", n) == told
    page.get_by_role("button", name="中文").click()
    page.get_by_role("tab", name="模型", exact=True).wait_for()
    assert errors == []
    context.close()
