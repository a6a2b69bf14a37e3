"""Background radiation: the scanners and the backscatter that reach any network.

The campus receives some six of these packets a second. A real /16 receives
many more; the rate is lowered so that a day stays affordable.
"""

from campusnet import HOUR, Actor, poisson
from truth import Truth
from wire import ACK, RST, SYN, TCP, ephemeral

# Ports that scanners like, by rough popularity in telescopes of recent years.
TCP_PORTS = (23, 23, 23, 22, 22, 8080, 80, 443, 3389, 445, 445, 5555, 6379, 2323,
             8443, 5900, 1433, 8728, 81, 60023, 5060, 25565, 9200, 2375)
UDP_PORTS = ((5060, 430), (161, 70), (123, 36), (1900, 120), (53, 65), (11211, 43),
             (389, 67), (5683, 49))
# Sources of bots stay for about an hour, and of scanners for some hours.
BOT_RATE = 1 / 20
SCANNER_RATE = 1 / 900
UDP_RATE = 1 / 600
VICTIM_RATE = 6 / 86400
SURVEYS = 2


class Source:
    """One source of radiation: what it sends, how fast, and until when."""

    def __init__(self, address, kind, port, rate, start, stop, size):
        self.address = address
        self.kind = kind
        self.port = port
        self.rate = rate
        self.start = start
        self.stop = stop
        self.size = size


class Radiation(Actor):
    """Scanners, bots and victims elsewhere, each for some time of the day."""

    def __init__(self, *world, begin):
        super().__init__(*world)
        self.sources = []
        self.fresh = []
        self.begun = False
        self.begin = begin

    def play(self, begin, end):
        """Plays the sources of the window, and draws those that arrive in it."""
        if not self.begun:
            # The first window finds the sources of the hours before.
            self.arrive(begin - 2 * HOUR, begin)
            self.surveys(begin)
            self.begun = True
        self.arrive(begin, end)
        self.sources = [s for s in self.sources if s.stop > begin]
        for source in self.sources:
            start, stop = max(begin, source.start), min(end, source.stop)
            for time in poisson(self.rng, source.rate, start, stop):
                self.send(source, time)

    def add(self, kind, port, rate, start, stop, size=40, address=None):
        """Registers a source, and its place in the truth."""
        source = Source(address or self.campus.outsider(self.rng), kind, port, rate,
                        start, stop, size)
        self.sources.append(source)
        role = "victim" if kind == "victim" else "attacker"
        self.fresh.append(Truth("radiation", "radiation", source.address, role, False,
                                "-", max(start, self.begin), stop))

    def arrive(self, begin, end):
        """Draws the sources that begin between these moments."""
        rng = self.rng
        for time in poisson(rng, BOT_RATE, begin, end):
            self.add("tcp", rng.choice(TCP_PORTS), rng.lognormvariate(-5.2, 1),
                     time, time + rng.expovariate(1 / HOUR), rng.choice((40, 44, 60)))
        for time in poisson(rng, SCANNER_RATE, begin, end):
            self.add("tcp", rng.choice(TCP_PORTS), rng.lognormvariate(-2, 1),
                     time, time + rng.expovariate(1 / (3 * HOUR)))
        for time in poisson(rng, UDP_RATE, begin, end):
            port, size = rng.choice(UDP_PORTS)
            self.add("udp", port, rng.lognormvariate(-3, 1.2), time,
                     time + rng.expovariate(1 / (2 * HOUR)), size)
        for time in poisson(rng, VICTIM_RATE, begin, end):
            self.add("victim", rng.choice((80, 443, 53, 25565)), rng.uniform(0.3, 3),
                     time, time + rng.uniform(600, 2400))

    def surveys(self, begin):
        """Registers the networks of research scanners, which never stop."""
        for _ in range(SURVEYS):
            network = self.campus.outsider(self.rng).rsplit(".", 1)[0]
            for host in self.rng.sample(range(1, 255), 16):
                self.add("survey", 0, 0.012, begin, begin + 365 * 24 * HOUR,
                         44, f"{network}.{host}")

    def send(self, source, time):
        """Plays one packet of a source and the reaction of the campus."""
        rng = self.rng
        target = self.campus.insider(rng)
        if source.kind == "udp":
            port = 5060 + rng.randrange(60) if source.port == 5060 else ephemeral(rng)
            self.talk.probe_udp(source.address, target, port, source.port, time, source.size)
        elif source.kind == "victim":
            self.backscatter(source, target, time)
        else:
            port = source.port or rng.choice(TCP_PORTS)
            self.talk.probe(source.address, target, 1024 + rng.randrange(64000), port, time,
                            source.size)

    def backscatter(self, source, target, time):
        """Plays the answer of a flooded server to a forged SYN of ours."""
        flags, size = (SYN | ACK, 44) if self.rng.random() < 0.7 else (RST | ACK, 40)
        if self.campus.fate(source.address, target, time):
            return
        port = 1024 + self.rng.randrange(64000)
        self.exporter.packets((source.address, target, TCP, source.port, port),
                              [(time, size, flags)])
        if flags & SYN and target in self.campus.listening \
                and target not in self.campus.firewalled:
            # A host resets a connection that it does not know.
            self.exporter.packets((target, source.address, TCP, port, source.port),
                                  [(time + 0.001, 40, RST)])
