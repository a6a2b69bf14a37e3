"""Truth of a simulation: who attacked whom, when, and which findings are expected."""

import csv
from dataclasses import dataclass

FIELDS = ("kind", "scope", "host", "role", "decisive", "expected", "start", "stop")


@dataclass
class Truth:
    """One host of one attack.

    `scope` is default (found without --state), state (found with --state),
    out (not in scope), radiation, or event (a trouble that is no attack).
    `role` is attacker, victim or relay. `expected` holds kinds and classes of
    findings, such as "scan/dark". A finding about a decisive host finds the
    attack. `start` and `stop` are Unix seconds.
    """

    kind: str
    scope: str
    host: str
    role: str
    decisive: bool
    expected: str
    start: float
    stop: float

    def row(self):
        """Returns the values in the order of FIELDS."""
        return [self.kind, self.scope, self.host, self.role, int(self.decisive),
                self.expected, f"{self.start:.0f}", f"{self.stop:.0f}"]


def read(path):
    """Reads the rows of a truth file."""
    with open(path, newline="") as file:
        return [Truth(r["kind"], r["scope"], r["host"], r["role"], r["decisive"] == "1",
                      r["expected"], float(r["start"]), float(r["stop"]))
                for r in csv.DictReader(file)]
