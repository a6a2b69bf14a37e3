"""The campus: its addresses, who is switched on, and what is broken when."""

import bisect
import itertools
import math
import random

from wire import (INSIDE_V4, INSIDE_V6, NEVER, OPEN, REFUSED, SILENT, UNUSED,
                  is_inside)

HOUR = 3600
DAY = 24 * HOUR
# Monday, 4 March 2024, 00:00 UTC, which is also the local time of the campus.
EPOCH = 1709510400
CLIENTS = 1020
# Subnets of desktops and laptops; some 60 addresses are leased in each.
CLIENT_SUBNETS = range(20, 37)
# Networks by first byte in which hosts of special use (RFC 6890) or of ours lie.
RESERVED = {0, 10, 100, 127, 163, 169, 172, 192, 198, 203} | set(range(224, 256))

WEB, SSH, RDP = frozenset((80, 443)), frozenset((22,)), frozenset((3389,))
# Servers: name, number, TCP ports that listen. All of them lie in one /24.
SERVERS = (
    ("web", 10, WEB | SSH),
    ("app", 18, WEB | SSH | RDP),
    ("login", 3, SSH),
    ("files", 2, frozenset((445, 139, 22))),
    ("dc", 2, frozenset((88, 389, 445, 135, 139, 3268, 53, 3389))),
    ("mail", 2, frozenset((25, 443, 587, 993, 22))),
    ("ns", 2, frozenset((53, 22))),
    ("resolver", 2, frozenset((53, 22))),
    ("ntp", 1, SSH),
    ("pbx", 1, WEB | SSH),
    ("nvr", 1, frozenset((443, 554))),
    ("backup", 1, frozenset((22, 873, 9000))),
    ("git", 1, WEB | SSH),
    ("db", 2, frozenset((3306, 5432, 22))),
    ("vpn", 1, WEB | SSH),
    ("syslog", 1, SSH),
    ("monitor", 1, WEB | SSH),
    ("admin", 1, SSH),
    ("crawler", 1, SSH),
    ("balancer", 1, WEB | SSH),
    ("backend", 8, frozenset((8080, 8443, 22))),
    ("ci", 3, SSH),
)
# UDP services of these servers.
UDP_PORTS = {"ns": {53}, "resolver": {53}, "ntp": {123}, "pbx": {5060},
             "vpn": {1194, 51820}, "syslog": {514}, "dc": {53, 88, 389, 123}}
# Devices: name, number, subnet, TCP ports that listen.
DEVICES = (
    ("printer", 100, 8, frozenset((80, 443, 515, 631, 9100))),
    ("phone", 100, 12, frozenset((80, 443))),
    ("camera", 20, 14, frozenset((80, 554))),
    ("sensor", 40, 15, frozenset()),
    ("switch", 80, 250, SSH),
    ("ap", 80, 251, frozenset((22, 443))),
)


def daily_load(time, peak=14.0):
    """Returns the load of an ordinary service at this time, from 0.1 to 1."""
    hour = (time % DAY) / HOUR
    wave = 0.5 + 0.5 * math.cos(2 * math.pi * (hour - peak) / 24)
    return 0.1 + 0.9 * wave ** 1.5


def poisson(rng, rate, begin, end):
    """Yields random moments, `rate` a second on average."""
    if rate <= 0:
        return
    time = begin + rng.expovariate(rate)
    while time < end:
        yield time
        time += rng.expovariate(rate)


class Zipf:
    """Draws items by rank, the first the most often (Zipf, exponent s)."""

    def __init__(self, items, s=1.0):
        self.items = list(items)
        self.sums = list(itertools.accumulate(
            1 / (i + 1) ** s for i in range(len(self.items))))

    def draw(self, rng):
        """Returns an item."""
        return self.items[bisect.bisect(self.sums, rng.random() * self.sums[-1])]


class Client:
    """A desktop, a laptop, or an address translator with many hosts behind it."""

    def __init__(self, address, v6, on, off, users, windows):
        self.address = address
        self.v6 = v6
        self.on = on
        self.off = off
        self.users = users
        self.windows = windows

    def presence(self, begin, end):
        """Returns the part of [begin, end) in which it is on, or None.

        `on` and `off` are seconds of the day; `off` may lie in the next day.
        """
        midnight = begin - begin % DAY
        for shift in (0, -DAY):
            start, stop = midnight + shift + self.on, midnight + shift + self.off
            if start < end and stop > begin:
                return max(start, begin), min(stop, end)
        return None

    @property
    def always_on(self):
        """Returns true if it is never switched off."""
        return self.off - self.on >= DAY


class Campus:
    """Hosts by role, their reactions, and the troubles of the day."""

    def __init__(self, seed, scale):
        self.seed = seed
        self.scale = scale
        rng = self.random("campus")
        self.router = INSIDE_V4 + "0.1"
        self.router6 = INSIDE_V6 + ":1"
        self.listening = {}
        self.datagrams = {}
        self.firewalled = set()
        self.groups = {}
        self.clients = []
        self.by_address = {}
        self.complained = 0
        self.place_servers(rng)
        self.place_devices(rng)
        self.place_clients(rng, max(40, round(CLIENTS * scale)))
        # Outages of the uplink: begin, end, and true if only IPv6 is lost.
        self.outages = []
        self.broken = None
        self.maintenance = (math.inf, math.inf, math.inf)

    def random(self, name):
        """Returns an actor's own generator, which no other actor disturbs."""
        return random.Random(f"campus {self.seed} {name}")

    def place_servers(self, rng):
        """Gives each server an address in the subnet of the data centre."""
        hosts = iter(range(10, 250))
        for name, number, ports in SERVERS:
            self.groups[name] = [f"{INSIDE_V4}1.{next(hosts)}" for _ in range(number)]
            for address in self.groups[name]:
                self.listening[address] = ports
                self.datagrams[address] = UDP_PORTS.get(name, set())
                if rng.random() < 0.4:
                    self.firewalled.add(address)

    def place_devices(self, rng):
        """Gives printers, phones and switches their addresses."""
        for name, number, subnet, ports in DEVICES:
            hosts = rng.sample(range(2, 250), number)
            self.groups[name] = [f"{INSIDE_V4}{subnet}.{host}" for host in sorted(hosts)]
            for address in self.groups[name]:
                self.listening[address] = ports

    def place_clients(self, rng, number):
        """Draws leases, hours of work, and the address translators of the WLAN."""
        places = [(subnet, host) for subnet in CLIENT_SUBNETS for host in range(10, 240)]
        for subnet, host in rng.sample(places, number):
            on, off = self.draw_hours(rng)
            windows = rng.random() < 0.7
            v6 = f"{INSIDE_V6}{subnet:x}::{rng.getrandbits(16):x}:{host:x}"
            self.add_client(Client(f"{INSIDE_V4}{subnet}.{host}",
                                   v6 if rng.random() < 0.4 else None,
                                   on, off, 1, windows))
            if rng.random() < (0.95 if windows else 0.4):
                self.firewalled.add(self.clients[-1].address)
        for host in (1, 2):
            self.add_client(Client(f"{INSIDE_V4}5.{host}", None, 0, 2 * DAY,
                                   max(1, round(25 * self.scale)), False))

    def add_client(self, client):
        """Registers a client by each of its addresses."""
        self.clients.append(client)
        for address in filter(None, (client.address, client.v6)):
            self.by_address[address] = client
            self.listening[address] = frozenset()

    @staticmethod
    def draw_hours(rng):
        """Draws when a machine is on: for office hours, evenings, or always."""
        kind = rng.random()
        if kind < 0.12:
            return 0, 2 * DAY
        if kind < 0.72:
            on = rng.gauss(8.8, 1.2)
            return on * HOUR, (on + max(2, rng.gauss(8.5, 1.5))) * HOUR
        on = rng.gauss(16.5, 2.5)
        return on * HOUR, (on + max(1.5, rng.gauss(6.5, 2))) * HOUR

    def host(self, name, number=0):
        """Returns the address of a server, counted from 0."""
        return self.groups[name][number]

    def fate(self, client, server, time):
        """Returns what happens to packets from the client to the server."""
        for begin, end, only_v6 in self.outages:
            if begin <= time < end and (not only_v6 or ":" in server):
                inside = is_inside(client)
                if inside != is_inside(server):
                    return SILENT if inside else NEVER
        if server == self.broken:
            start, silent, end = self.maintenance
            if start <= time < end:
                return REFUSED if time < silent else SILENT
        return OPEN

    def cut(self, client, server, start, end):
        """Returns the end of a session, and true if an outage tears it."""
        for begin, _, only_v6 in self.outages:
            if start < begin < end and (not only_v6 or ":" in server) \
                    and is_inside(client) != is_inside(server):
                return begin, True
        if server == self.broken and start < self.maintenance[0] < end:
            return self.maintenance[0], False
        return end, False

    def reaction(self, address, port, time):
        """Returns how an inside address reacts to SYN at this port."""
        ports = self.listening.get(address)
        if ports is None:
            return UNUSED
        client = self.by_address.get(address)
        if client and not client.presence(time, time + 1):
            return UNUSED
        if port in ports:
            return self.fate("", address, time)
        return SILENT if address in self.firewalled else REFUSED

    def reaction_udp(self, address, port, time):
        """Returns how an inside address reacts to a datagram."""
        if port in self.datagrams.get(address, ()):
            return OPEN
        return self.reaction(address, 0, time)

    def may_complain(self, time):
        """Returns true if the router may send an ICMP error: one a second."""
        second = int(time)
        if second == self.complained:
            return False
        self.complained = second
        return True

    def outsider(self, rng):
        """Draws an address of the Internet."""
        while True:
            first = rng.randrange(1, 224)
            if first not in RESERVED:
                return (f"{first}.{rng.randrange(256)}.{rng.randrange(256)}"
                        f".{rng.randrange(1, 255)}")

    @staticmethod
    def outsider_v6(rng):
        """Draws an IPv6 address from blocks of RIPE, ARIN and APNIC."""
        block = rng.choice((0x2A00, 0x2600, 0x2400)) + rng.randrange(16)
        site, subnet, host = (rng.randrange(1, n) for n in (65536, 256, 65536))
        return f"{block:x}:{site:x}:{subnet:x}::{host:x}"

    def insider(self, rng):
        """Draws any address of the campus, used or not."""
        return f"{INSIDE_V4}{rng.randrange(256)}.{rng.randrange(1, 255)}"

    def unused(self, rng, subnets=range(256)):
        """Draws an inside address that no host has."""
        while True:
            address = f"{INSIDE_V4}{rng.choice(subnets)}.{rng.randrange(1, 255)}"
            if address not in self.listening:
                return address


class Actor:
    """Something that makes traffic, with its own random numbers."""

    def __init__(self, campus, exporter, conversations):
        self.campus = campus
        self.rng = campus.random(type(self).__name__)
        self.exporter = exporter
        self.talk = conversations(exporter, campus, self.rng)

    def play(self, begin, end):
        """Plays the traffic that begins in [begin, end)."""
        raise NotImplementedError
