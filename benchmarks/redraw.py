"""How many times a second each picture of notebook 01 is redrawn under a slider.

    python benchmarks/redraw.py --moves 60 --width 900

One slider is dragged through its range, then the next. Python's part is what runs in the kernel
from a slider's new value to the message for the browser, prices and margin included; the
browser's part is that same message put on screen by plotly.js, to the next frame, in a headless
chromium, which draws without a graphics card. A redraw takes the sum of both.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import date
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
from plotly.basedatatypes import Undefined
from plotly.offline import get_plotlyjs
from plotly.utils import PlotlyJSONEncoder

from dollarbill_core.market.surface import surface_of
from dollarbill_core.publishing.widgets import Explorer, Slider, design_explorer
from dollarbill_core.results.outlook import designs
from dollarbill_core.rules.accounts import REG_T
from dollarbill_core.rules.fills import FillModel
from dollarbill_core.sources.loading import load_chains
from dollarbill_core.strategies.short_premium import ShortPremium

DAY = date(2018, 6, 1)
SLIDERS = (
    Slider("put_delta", 0.05, 0.45, 0.16, 0.01),
    Slider("days_forward", 0, 41, 0, 1),
    Slider("vol_shift", -0.05, 0.15, 0.0, 0.01),
)
PAGE = """<!doctype html><meta charset="utf-8"><script src="plotly.js"></script>
<div id="plot" style="width:%dpx"></div><script>
const told = frames => fetch("done", {method: "POST", body: JSON.stringify(frames)});
const shown = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
(async () => {
  const kept = (_, value) => value === "_undefined_" ? undefined : value;
  const took = {}, pictures = JSON.parse(await (await fetch("pictures")).text(), kept);
  for (const [name, picture] of Object.entries(pictures)) {
    await Plotly.newPlot("plot", picture.figure.data, picture.figure.layout);
    await shown();
    took[name] = [];
    for (const m of picture.moves) {
      const began = performance.now();
      await Plotly.update("plot", m.style_data, m.layout_data, m.style_traces);
      await shown();
      took[name].push(performance.now() - began);
    }
    Plotly.purge("plot");
  }
  told(took);
})().catch(error => told({error: String(error)}));
</script>"""


class Encoder(PlotlyJSONEncoder):
    """As a figure widget encodes: what a trace lacks has a name of its own."""

    def default(self, obj: Any) -> Any:
        return "_undefined_" if obj is Undefined else super().default(obj)


def explorer() -> Explorer:
    """Notebook 01's, on its own day."""
    view = load_chains("sample", ("SPX",), DAY, DAY).view(DAY)
    strategy = ShortPremium(("SPX",), target_dte=45)
    dividend_yield = view.dividend_yields["SPX"]
    surface = surface_of(view.chain("SPX"), view.rates, dividend_yield=dividend_yield)
    return design_explorer(designs(view, strategy, "SPX", REG_T, FillModel(), surface), SLIDERS)


def dragged(moves: int) -> Iterator[tuple[str, float]]:
    """Values of each slider in turn, up its range."""
    for slider in SLIDERS:
        for value in np.linspace(slider.low, slider.high, moves // len(SLIDERS)):
            yield slider.name, float(value)


def python_side(shown: Explorer, moves: int) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Milliseconds of each redraw, and the messages that went out, by picture."""
    *controls, choice, frame, _ = shown.panel().children
    by_name = dict(zip((slider.name for slider in SLIDERS), controls, strict=True))
    took: dict[str, list[float]] = {}
    sent: dict[str, Any] = {}
    for name in choice.options:
        choice.value = name
        figure, messages = frame.children[0], list[Any]()
        figure.observe(partial(_kept, messages), "_py2js_update")
        sent[name] = {"figure": figure.to_dict(), "moves": messages}
        took[name] = []
        for slider, value in dragged(moves):
            began = time.perf_counter()
            by_name[slider].value = value
            took[name].append(1e3 * (time.perf_counter() - began))
    return took, sent


def _kept(messages: list[Any], change: dict[str, Any]) -> None:
    """What plotly's own script is told to do, without what only the widget reads."""
    if change["new"]:
        told = ("style_data", "layout_data", "style_traces")
        messages.append({key: change["new"][key] for key in told})


def browser_side(sent: dict[str, Any], width: int) -> dict[str, list[float]] | None:
    """Milliseconds of each redraw on screen, by picture; None where there is no chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return None
    served = {
        "/": ("text/html", (PAGE % width).encode()),
        "/plotly.js": ("text/javascript", get_plotlyjs().encode()),
        "/pictures": ("application/json", json.dumps(sent, cls=Encoder).encode()),
    }
    answers: list[dict[str, list[float]]] = []
    arrived = threading.Event()

    class Desk(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = served.get(self.path, ("text/plain", b""))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            answers.append(json.loads(self.rfile.read(length)))
            self.send_response(204)
            self.end_headers()
            arrived.set()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Desk)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu"]
        command += [f"--user-data-dir={profile}", f"--window-size={width + 40},900"]
        command.append(f"http://127.0.0.1:{server.server_port}/")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        browser = subprocess.Popen(command, **quiet)  # type: ignore[call-overload]
        arrived.wait(timeout=180)
        browser.terminate()
        browser.wait()
    server.shutdown()
    if not answers or "error" in answers[0]:
        raise RuntimeError(f"the browser gave no times: {answers}")
    return answers[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=60, help="redraws of each picture")
    parser.add_argument("--width", type=int, default=900, help="of the picture, pixels")
    chosen = parser.parse_args()
    ours, sent = python_side(explorer(), chosen.moves)
    theirs = browser_side(sent, chosen.width)
    print(f"{'picture':<16}{'kernel, ms':>20}{'browser, ms':>20}{'a second':>12}")
    print(f"{'':<16}{'median   p90':>20}{'median   p90':>20}{'median':>12}")
    for name, kernel in ours.items():
        screen = theirs[name] if theirs else [0.0]
        total = float(np.median(kernel) + np.median(screen))
        told = [
            f"{np.median(each):6.1f} {np.percentile(each, 90):6.1f}"
            for each in (kernel, screen)
        ]
        print(f"{name:<16}{told[0]:>20}{told[1]:>20}{1e3 / total:>12.0f}")


if __name__ == "__main__":
    main()
