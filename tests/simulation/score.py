#!/usr/bin/env python3
"""Runs the detectors on a simulation and compares their findings with its truth.

    score.py target/debug DIR

runs nfscan, nfflood and nfport from that directory on each window of DIR in
order, as cron would: once without --state, and once with one --state file for
each detector.

A finding is about a kind if its window meets the time of the attack, or the
window after it, because records arrive late, and if
  - its host is an address, and a truth row of the kind names it, or
  - its host is a network that overlaps a network of the kind (an attacker's or
    a victim's), and at least half of the addresses in its column peer are
    hosts of the kind.
An attacker of a kind stays one after the attack, because the detectors
remember slow scans.

A kind counts as found if a finding is about one of its decisive hosts, has the
role of that host (source for an attacker, target for a victim) and comes from
a detector that the truth expects (scan, flood or port). Its class need not be
the expected one. "Windows until found" counts from the window in which the
attack begins, which is 1.

A finding is false if it is about no kind, and about no source or victim of the
background radiation. The class outage is true of a server in maintenance. So
are ddos and dos without --state, because nfflood.1 says that it cannot tell
them apart then; they are counted apart. Any other class about that server is
false. False findings are counted as
incidents: detector, class and host, once a day, however many windows repeat
them.
"""

import argparse
import glob
import gzip
import ipaddress
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from datetime import datetime

import truth
from wire import INSIDE_NETS, WINDOW

DETECTORS = ("nfscan", "nfflood", "nfport")

ROLES = {"attacker": "source", "victim": "target"}
# Limits of --check: kinds in scope that may be missed without --state (23 of 26 are
# found) and with it, and false incidents a day.
CHECK_MISSED, CHECK_MISSED_STATE, CHECK_FALSE = 3, 0, 1.0


class Finding:
    """The columns of a finding line that the comparison needs."""

    def __init__(self, line):
        (window, _, self.kind, self.cls, self.host, self.role, _, _, _, _, peer) = \
            line.split("\t")[:11]
        self.line = line
        self.time = datetime.fromisoformat(window.replace("Z", "+00:00")).timestamp()
        self.network = ipaddress.ip_network(self.host) if "/" in self.host else None
        entries = (entry.split("=")[0] for entry in peer.split(","))
        self.peers = [entry for entry in entries if entry[0] not in "+-" and "/" not in entry]


def run(binaries, files, states):
    """Returns the findings of all detectors, window by window."""
    findings = []
    for name in files:
        for detector in DETECTORS:
            command = [os.path.join(binaries, detector), "-q", "--inside", INSIDE_NETS]
            if states:
                command += ["--state", os.path.join(states, detector)]
            output = subprocess.run(command + [name], check=True, capture_output=True, text=True)
            findings += [Finding(line) for line in output.stdout.splitlines()
                         if not line.startswith("#")]
    return findings


class Judge:
    """Compares findings with the truth."""

    def __init__(self, rows, remembers):
        # Classes that are true of a server in maintenance.
        self.dead_server = {"outage"} if remembers else {"outage", "ddos", "dos"}
        self.by_host = defaultdict(list)
        self.networks = []
        self.members = defaultdict(set)
        for row in rows:
            if "/" in row.host:
                self.networks.append((ipaddress.ip_network(row.host), row))
            else:
                self.by_host[row.host].append(row)
                self.members[row.kind].add(row.host)

    @staticmethod
    def at_that_time(finding, row):
        """Returns true if the finding's window meets the time of the row."""
        begun = finding.time + WINDOW > row.start
        return begun and (row.role == "attacker" or finding.time <= row.stop + WINDOW)

    def share_of_peers(self, finding, kind):
        """Returns the share of the listed peers that are hosts of the kind."""
        if not finding.peers:
            return 0.0
        return sum(p in self.members[kind] for p in finding.peers) / len(finding.peers)

    def about(self, finding):
        """Returns the truth rows that a finding is about."""
        if finding.network is None:
            rows = self.by_host.get(finding.host, [])
        else:
            rows = [row for network, row in self.networks
                    if network.version == finding.network.version
                    and network.overlaps(finding.network)
                    and self.share_of_peers(finding, row.kind) >= 0.5]
            if not rows and self.share_of_peers(finding, "radiation") >= 0.5:
                rows = [row for peer in finding.peers for row in self.by_host.get(peer, [])
                        if row.kind == "radiation"]
        return [row for row in rows if self.at_that_time(finding, row)
                and (row.scope != "event" or finding.cls in self.dead_server)]

    @staticmethod
    def finds(finding, row):
        """Returns true if a finding about this row finds the attack."""
        return (row.decisive and ROLES.get(row.role) == finding.role
                and (row.scope == "out" or finding.kind in row.expected))

    def score(self, findings):
        """Returns the first finding of each kind, the false ones, and other counts."""
        found, false, radiation, events = {}, [], Counter(), Counter()
        for finding in findings:
            rows = self.about(finding)
            if not rows:
                false.append(finding)
            for row in rows:
                if self.finds(finding, row):
                    old = found.get(row.kind)
                    if old is None or finding.time < old.time:
                        found[row.kind] = finding
            if rows and all(row.scope == "radiation" for row in rows):
                radiation[f"{finding.kind}/{finding.cls}"] += 1
            if any(row.scope == "event" for row in rows):
                events[f"{finding.kind}/{finding.cls}"] += 1
        return found, false, radiation, events


def describe(first, start):
    """Returns the class of a kind's first finding and its window, or a dash."""
    if first is None:
        return "-"
    windows = int((first.time - start // WINDOW * WINDOW) // WINDOW) + 1
    return f"{first.kind}/{first.cls} after {max(windows, 1)}"


def table(rows, plain, state):
    """Prints when each kind was found.

    Returns the numbers of kinds in scope that were missed without and with --state.
    """
    kinds = {}
    for row in rows:
        if row.scope in ("default", "state", "out"):
            kinds.setdefault(row.kind, row)
    print(f"{'kind':17} {'scope':8} {'without --state':26} {'with --state':26} (windows)")
    order = {"default": 0, "state": 1, "out": 2}
    for kind, row in sorted(kinds.items(), key=lambda item: (order[item[1].scope], item[0])):
        print(f"{kind:17} {row.scope:8} {describe(plain.get(kind), row.start):26}"
              f" {describe(state.get(kind), row.start):26}")
    scoped = {kind for kind, row in kinds.items() if row.scope != "out"}
    missed = len(scoped - plain.keys()), len(scoped - state.keys())
    print(f"found of {len(scoped)} kinds in scope: {len(scoped) - missed[0]} without --state,"
          f" {len(scoped) - missed[1]} with --state\n")
    return missed


def show_false(title, false, days):
    """Prints false findings with their evidence; returns the incidents a day."""
    incidents = defaultdict(list)
    for finding in false:
        key = finding.kind, finding.cls, finding.host, int(finding.time // 86400)
        incidents[key].append(finding)
    print(f"false findings {title}: {len(false)} lines, {len(incidents)} incidents,"
          f" {len(incidents) / days:.2f} a day")
    for (kind, cls), number in sorted(Counter(key[:2] for key in incidents).items()):
        print(f"  {kind}/{cls}: {number} incidents, {number / days:.2f} a day")
    for lines in incidents.values():
        print(f"  {len(lines)} x {lines[0].line}")
    print()
    return len(incidents) / days


def main():
    """Prints the scores of both runs, and checks them if asked."""
    parser = argparse.ArgumentParser(description="Score the detectors on a simulation.")
    parser.add_argument("binaries", help="directory of nfscan, nfflood and nfport")
    parser.add_argument("directory", help="directory that campus.py wrote")
    parser.add_argument("--check", action="store_true",
                        help=f"exit 1 if more than {CHECK_MISSED} kinds in scope are missed"
                             f" without --state, more than {CHECK_MISSED_STATE} with it, or"
                             " more than one incident a day is false in either run")
    parser.add_argument("--keep", help="write all finding lines into files of this directory")
    options = parser.parse_args()
    files = sorted(glob.glob(os.path.join(options.directory, "*.flows*")))
    if not files:
        parser.error(f"{options.directory}: no flow files; run campus.py first")
    rows = truth.read(os.path.join(options.directory, "truth.csv"))
    plain = run(options.binaries, files, None)
    with tempfile.TemporaryDirectory() as states:
        state = run(options.binaries, files, states)
    if options.keep:
        os.makedirs(options.keep, exist_ok=True)
        for title, findings in (("plain", plain), ("state", state)):
            with gzip.open(os.path.join(options.keep, title + ".findings.gz"), "wt") as file:
                file.writelines(finding.line + "\n" for finding in findings)
    days = len(files) * WINDOW / 86400
    found_plain, false_plain, radiation_plain, events_plain = Judge(rows, False).score(plain)
    found_state, false_state, radiation_state, events_state = Judge(rows, True).score(state)
    missed = table(rows, found_plain, found_state)
    print("background radiation, lines by class:")
    print("  without --state:", dict(radiation_plain.most_common()))
    print("  with --state:   ", dict(radiation_state.most_common()))
    print("the server in maintenance, true lines:", dict(events_plain), dict(events_state), "\n")
    wrong = (show_false("without --state", false_plain, days),
             show_false("with --state", false_state, days))
    bad = (missed[0] > CHECK_MISSED or missed[1] > CHECK_MISSED_STATE
           or max(wrong) > CHECK_FALSE)
    return 1 if options.check and bad else 0


if __name__ == "__main__":
    sys.exit(main())
