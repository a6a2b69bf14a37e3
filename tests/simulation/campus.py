#!/usr/bin/env python3
"""Simulates the flows of a campus, independently of nfgen.

    campus.py --seed 1 --hours 24 --out DIR

writes DIR/NNN.flows.gz for each window of ten minutes, in the format of
nfkit-flow(5), and DIR/truth.csv with all attackers and victims, see truth.py.
The campus has 163.28.0.0/16 and 2001:288:28::/48, with some 1500 hosts.

The generator knows nothing of nfgen and of the detectors' rules, so that an
error that these share shows here. score.py compares the findings with the
truth. The same arguments always give the same files.
"""

import argparse
import csv
import gzip
import os
import sys
import time

from attacks import IN_SCOPE, OUT_OF_SCOPE, Hosts
from campusnet import EPOCH, HOUR, Campus
from people import Background, Browsing, Calls, Games, Torrents, Tunnels
from radiation import Radiation
from services import (Clocks, Crawler, Logins, Mail, Names, Operations, Traceroutes,
                      WebServers)
from truth import FIELDS, Truth
from wire import INSIDE_NETS, WINDOW, Conversations, Exporter

# Hours of the troubles of the first day.
OUTAGE = (13 + 1 / 6, 13.5)
OUTAGE_V6 = (18, 18.5)
DEAD_ZONE = (20, 20 + 2 / 3)
MAINTENANCE = (15, 15.25, 15.5)
CROWD = (10, 10 + 2 / 3)
# No attack begins in the first minutes, in which nothing is known of any host.
QUIET = 2400
COLUMNS = ("#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets"
           "\tstart\tend\tflags\n")


def arguments():
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description="Simulate the flows of a campus, with attacks and the truth about them.")
    parser.add_argument("--seed", type=int, default=1, help="seed of all random numbers (1)")
    parser.add_argument("--hours", type=float, default=24, help="hours to simulate (24)")
    parser.add_argument("--out", required=True, help="directory of the files to write")
    parser.add_argument("--scale", type=float, default=1.0,
                        help="factor of clients and visitors, not of attacks (1)")
    parser.add_argument("--active", type=float, default=60,
                        help="active timeout of the exporter, in seconds (60)")
    parser.add_argument("--inactive", type=float, default=15,
                        help="inactive timeout of the exporter, in seconds (15)")
    parser.add_argument("--all", action="store_true",
                        help="play the seven kinds that are not in scope as well")
    parser.add_argument("--innocent", action="store_true", help="play no attacks at all")
    parser.add_argument("--border", action="store_true",
                        help="leave out flows between inside hosts, as a border router does")
    parser.add_argument("--plain", action="store_true", help="write files without gzip")
    return parser.parse_args()


def moments(hours):
    """Returns hours of the first day as Unix seconds."""
    return tuple(EPOCH + hour * HOUR for hour in hours)


def troubles(campus):
    """Sets the outage and the maintenance of the day, and returns the truth of the latter."""
    campus.outages = [(*moments(OUTAGE), False), (*moments(OUTAGE_V6), True)]
    campus.broken = campus.host("web", 0)
    campus.maintenance = moments(MAINTENANCE)
    start, _, end = campus.maintenance
    return Truth("maintenance", "event", campus.broken, "victim", False, "flood/outage",
                 start, end)


def innocents(world):
    """Returns the actors of ordinary traffic."""
    names = Names(*world, dead_zone=moments(DEAD_ZONE))
    return [names, Browsing(*world, dns=names), Background(*world), Torrents(*world),
            Calls(*world), Games(*world), Tunnels(*world), WebServers(*world, crowd=moments(CROWD)),
            Mail(*world, dns=names), Clocks(*world), Operations(*world), Logins(*world),
            Crawler(*world, dns=names), Traceroutes(*world)]


def begin_of(kind, rng, campus, stop):
    """Draws when an attack begins, or returns None if the simulation is too short.

    No attack of less than two hours meets the outage of the uplink, because
    nobody could see it then.
    """
    first, last = EPOCH + QUIET, stop - kind.SECONDS - WINDOW
    if last < first:
        return None
    dark, dark_end, _ = campus.outages[0]
    while True:
        start = rng.uniform(first, last)
        if kind.ALIGNED:
            start += 20 - start % WINDOW
        meets = start < dark_end + WINDOW and start + kind.SECONDS > dark
        if not meets or kind.SECONDS >= 2 * HOUR:
            return start


def attacks(world, kinds, stop):
    """Returns the attacks that fit into the simulation."""
    campus = world[0]
    hosts = Hosts(campus)
    played = []
    for kind in kinds:
        start = begin_of(kind, campus.random("start " + kind.KIND), campus, stop)
        if start is not None:
            played.append(kind(*world, hosts=hosts, start=start))
    return played


class WindowWriter:
    """Writes the flow file of each window."""

    def __init__(self, directory, plain):
        self.directory = directory
        self.plain = plain
        self.lines = 0

    def write(self, number, begin, lines):
        """Writes one window with its marks."""
        mark = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin)) + f"\t{WINDOW}"
        name = os.path.join(self.directory, f"{number:04d}.flows" + ("" if self.plain else ".gz"))
        end = (f"#end\t{mark}\tflows={len(lines)}\tlate=0\tlostflows=0\tlostdatagrams=0"
               f"\tscaled=0\tcover={WINDOW}\topen=0\tsilent=0\tstate=ok\n")
        text = COLUMNS + f"#window\t{mark}\n" + "".join(lines) + end
        with open(name, "wb") as file:
            if self.plain:
                file.write(text.encode())
            else:
                # A fixed time in the header keeps the bytes the same.
                with gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
                    packed.write(text.encode())
        self.lines += len(lines)


def main():
    """Plays window after window, and keeps only records that are not yet due."""
    options = arguments()
    os.makedirs(options.out, exist_ok=True)
    campus = Campus(options.seed, options.scale)
    maintenance = troubles(campus)
    exporter = Exporter(options.active, options.inactive, options.border)
    world = (campus, exporter, Conversations)
    windows = int(options.hours * HOUR // WINDOW)
    actors = innocents(world)
    hostile, radiation = [], None
    if not options.innocent:
        kinds = IN_SCOPE + (OUT_OF_SCOPE if options.all else ())
        if options.border:
            kinds = [kind for kind in kinds if not kind.INTERNAL]
        hostile = attacks(world, kinds, EPOCH + windows * WINDOW)
        radiation = Radiation(*world, begin=EPOCH)
        actors += hostile + [radiation]
    writer = WindowWriter(options.out, options.plain)
    for number in range(windows):
        begin = EPOCH + number * WINDOW
        for actor in actors:
            actor.play(begin, begin + WINDOW)
        writer.write(number, begin, exporter.windows.pop(begin // WINDOW, []))
    truths = [maintenance] + [row for attack in hostile for row in attack.truths]
    truths += radiation.fresh if radiation else []
    with open(os.path.join(options.out, "truth.csv"), "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(FIELDS)
        table.writerows(truth.row() for truth in truths)
    print(f"{windows} windows, {writer.lines} flows, {len(hostile)} attacks; "
          f"--inside {INSIDE_NETS}", file=sys.stderr)


if __name__ == "__main__":
    main()
