"""The preview's page in a real browser, while frames come."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.config.listeners import PreviewConfig
from runtime.monitoring.http_server import listen_on, serve_http, url_of
from runtime.preview.app import preview_app
from runtime.preview.live import LiveView
from tests.runtime.monitoring.test_monitoring import camera as camera_metrics
from tests.runtime.preview.chromium import CHROMIUM, Tab, tab
from tests.runtime.preview.test_preview import TOKEN, Scene, Shown

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: the preview page is NOT tested"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A preview whose camera `door` shows a text in every frame."""
    config = PreviewConfig(listen="127.0.0.1:0")
    live = LiveView(width=config.width, max_fps=30.0)
    subject = Shown(cameras={"door": camera_metrics(fps=15.0), "desk": camera_metrics("stalled")})
    subject.camera_names = ("door", "desk")
    for stage in ("detect", "recognize", "capture_to_spool"):
        for ms in range(1, 200):
            subject.recorder.add(stage, float(ms))
    scene = Scene(size=(1280, 720))
    stop = threading.Event()

    def show() -> None:
        while not stop.wait(0.05):
            scene.now_s += 1.0
            scene.show(live)

    live._clock = scene.clock
    thread = threading.Thread(target=show)
    thread.start()
    listening = listen_on(config.listen, "preview")
    with serve_http(preview_app(subject, live, token=TOKEN, hosts=()), listening, "preview"):
        yield url_of(listening)
        stop.set()
        thread.join()


@pytest.fixture(scope="module")
def browser(page: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A browser that logged in with the URL of the log."""
    with tab(tmp_path_factory.mktemp("chromium")) as opened:
        opened.look_at(1280, 800)
        opened.open(f"{page}/login#{TOKEN}")
        opened.wait("location.pathname === '/' && document.querySelectorAll('#now li').length > 0")
        yield opened


def test_the_page_shows_picture_lines_events_state_and_latency(browser: Tab) -> None:
    browser.wait("document.querySelectorAll('#stages tr').length === 3")
    assert browser.value("document.querySelector('#now .text').textContent") == "<b>HELLO</b>"
    assert browser.value("document.querySelectorAll('#now b').length") == 0, "texts are never markup"
    assert browser.value("document.querySelector('#events .text').textContent").startswith("<b>HELLO</b>")
    assert browser.value("document.querySelectorAll('#overlay polygon').length") == 1
    assert browser.value("document.getElementById('canvas').getContext('2d').getImageData(5, 5, 1, 1).data[0]") == 40
    assert browser.value("document.getElementById('notice').hidden")
    assert browser.value("document.getElementById('node').textContent") == "n"
    assert "100" in browser.value("document.querySelector('[data-stage=detect]').textContent")
    assert TOKEN not in browser.value("location.href")
    assert browser.complaints == []


@pytest.mark.parametrize(("width", "height"), [(375, 812), (1280, 800)])
def test_nothing_is_wider_than_the_window(width: int, height: int, browser: Tab) -> None:
    browser.look_at(width, height)
    assert browser.value("document.documentElement.scrollWidth") == width


def test_the_keyboard_reaches_a_line_and_the_picture_shows_which(browser: Tab) -> None:
    browser.value("document.querySelector('#now button').focus()")
    browser.wait("document.querySelectorAll('#overlay .chosen').length === 1")
    assert browser.value("document.activeElement.matches('#now button')"), "new pictures leave the focus alone"
    browser.value("document.activeElement.blur()")
    browser.wait("document.querySelectorAll('#overlay .chosen').length === 0")


def test_another_camera_can_be_chosen_and_says_that_it_stalls(browser: Tab) -> None:
    browser.value("document.querySelector('[data-camera=desk]').click()")
    browser.wait("document.getElementById('notice').textContent.startsWith('desk: stalled: no frame for 7 s')")
    assert browser.value("document.querySelector('[data-camera=desk]').getAttribute('aria-pressed')") == "true"
    browser.value("document.querySelector('[data-camera=door]').click()")
    browser.wait("document.querySelectorAll('#overlay polygon').length === 1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_contrast_enough(scheme: str, browser: Tab) -> None:
    """At least 4.5:1, WCAG 2.2 success criterion 1.4.3."""
    browser.look_at(1280, 800, scheme=scheme)
    ratios = browser.value("""(() => {
        const style = getComputedStyle(document.documentElement);
        const luminance = (name) => {
          const hex = style.getPropertyValue(name).trim();
          const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const ratio = (one, other) => {
          const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
          return (high + 0.05) / (low + 0.05);
        };
        const inks = ["--ink", "--dim", "--good", "--warn", "--bad"];
        return inks.flatMap((ink) => ["--card", "--ground"].map((ground) => [ink, ground, ratio(ink, ground)]));
    })()""")
    assert [pair for pair in ratios if pair[2] < 4.5] == []


def test_who_is_logged_out_is_asked_for_the_token(page: str, tmp_path: Path) -> None:
    with tab(tmp_path) as stranger:
        stranger.open(page)
        stranger.wait("location.pathname === '/login' && document.readyState === 'complete'")
        stranger.value("document.getElementById('token').value = 'wrong'; document.querySelector('button').click()")
        stranger.wait("document.getElementById('problem').textContent.startsWith('That is not the token')")
        stranger.value(f"document.getElementById('token').value = '{TOKEN}'; document.querySelector('button').click()")
        stranger.wait("location.pathname === '/'")
