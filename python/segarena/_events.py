"""How far a run is, where there is no terminal for the program's own bars: in a notebook, in a log."""

from __future__ import annotations

import json
import os
from typing import Any

from tqdm.auto import tqdm


class Events:
    """The program's events, lines of JSON in a pipe.

    pipe: its descriptor.
    bar: hears of each; None where nobody wants to.
    """

    def __init__(self, pipe: int, bar: Bar | None) -> None:
        os.set_blocking(pipe, False)
        self._pipe = pipe
        self._bar = bar
        self._unread = b""

    def read(self) -> None:
        """Reads what is there, without waiting for more."""
        while piece := self._piece():
            *lines, self._unread = (self._unread + piece).split(b"\n")
            for line in lines:
                if self._bar is not None:
                    self._bar.hear(json.loads(line))

    def _piece(self) -> bytes:
        try:
            return os.read(self._pipe, 1 << 16)
        except BlockingIOError:
            return b""


class Bar:
    """A bar of tqdm over a run's cases, moved by the program's events."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._cases = 0
        self._failed = 0
        # By measure: its mean and over how many cases.
        self._means: dict[str, tuple[float, int]] = {}

    def hear(self, event: dict[str, Any]) -> None:
        """Takes in one event, as ``segarena evaluate --help`` describes them."""
        kind = event["event"]
        if kind == "run_started":
            self._cases = len(event["cases"])
        elif kind == "submission_started":
            for mean in event["means_before"]:
                self._means[mean["name"]] = (mean["mean"], mean["cases"])
            self._bar = tqdm(
                desc=event["submission"],
                total=self._cases,
                initial=event["finished_before"],
                unit="case",
            )
            self._show()
        elif kind == "case_finished":
            interactions = event["record"]["interactions"]
            self._failed += any(one["outcome"] not in ("ok", "skipped") for one in interactions)
            self._score(interactions[-1])
            if self._bar is not None:
                self._bar.update()
            self._show()

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def _score(self, last: dict[str, Any]) -> None:
        scores = last.get("scores") or {"DSC": last["dsc"], "NSD": last["nsd"]}
        for name, value in scores.items():
            if value is not None:
                mean, cases = self._means.get(name, (0.0, 0))
                self._means[name] = ((mean * cases + value) / (cases + 1), cases + 1)

    def _show(self) -> None:
        if self._bar is None:
            return
        told = {name: f"{mean:.4f}" for name, (mean, _) in self._means.items()}
        if self._failed:
            told["failed"] = str(self._failed)
        self._bar.set_postfix(told)
