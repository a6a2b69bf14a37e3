"""Attacks: the kinds that detectors are expected to find, and a few that they are not.

Each attack has addresses of its own. The rates are those of the project's list
of 33 kinds. Where that list has none, the class says why its rate is plausible.
"""

from campusnet import HOUR, Actor, Zipf, poisson
from truth import Truth
from wire import (ACK, ICMP, PSH, REFUSED, RST, SYN, TCP, UDP, WINDOWS_RETRIES,
                  ephemeral, syn_size)


class Attack(Actor):
    """An attack that begins at `start` and lasts `SECONDS`."""

    KIND = SCOPE = EXPECTED = ""
    SECONDS = 600
    # A short attack that belongs into one window begins with it.
    ALIGNED = False
    # A router at the border does not see an attack between inside hosts.
    INTERNAL = False

    def __init__(self, *world, hosts, start):
        super().__init__(*world)
        self.start = start
        self.stop = start + self.SECONDS
        self.truths = []
        self.cast(hosts)

    def cast(self, hosts):
        """Chooses attackers and victims, and writes them into the truth."""
        raise NotImplementedError

    def act(self, begin, end):
        """Plays the part of the attack in [begin, end)."""
        raise NotImplementedError

    def play(self, begin, end):
        """Plays the part of the attack in this window, if there is one."""
        begin, end = max(begin, self.start), min(end, self.stop)
        if begin < end:
            self.act(begin, end)

    def name(self, host, role, decisive=False):
        """Writes a host into the truth, and returns it."""
        self.truths.append(Truth(self.KIND, self.SCOPE, host, role, decisive,
                                 self.EXPECTED, self.start, self.stop))
        return host

    def stranger(self, decisive=False):
        """Returns an attacker outside."""
        return self.name(self.campus.outsider(self.rng), "attacker", decisive)

    def ticks(self, begin, end, every):
        """Yields (number, moment) of steps `every` seconds apart, a little uneven."""
        number = int(-(-(begin - self.start) // every))
        while self.start + number * every < end:
            yield number, self.start + number * every + self.rng.random() * every * 0.3
            number += 1


class Hosts:
    """Inside hosts that attacks take, each once."""

    def __init__(self, campus):
        self.servers = iter(campus.groups["app"])
        self.clients = iter([c.address for c in campus.clients
                             if c.always_on and c.users == 1])

    def server(self):
        """Returns a server that serves, and is attacked by nobody else."""
        return next(self.servers)

    def client(self):
        """Returns a client that is always on, and no other attack has."""
        return next(self.clients)


class Group(Attack):
    """40 sources of one network that share a scan; each tries ten hosts in a window."""

    KIND, SCOPE, EXPECTED, SECONDS = "group", "default", "scan/group", 1800

    def cast(self, hosts):
        network = self.campus.outsider(self.rng).rsplit(".", 1)[0]
        self.name(network + ".0/24", "attacker", True)
        self.sources = [self.name(f"{network}.{10 + i}", "attacker") for i in range(40)]

    def act(self, begin, end):
        for number, time in self.ticks(begin, end, 1.5):
            target = f"163.28.{100 + number // 254}.{1 + number % 254}"
            self.talk.probe(self.sources[number % 40], target, ephemeral(self.rng), 5900,
                            time, 44)


class DarkScan(Attack):
    """One source that tries 30 addresses, none of which is used."""

    KIND, SCOPE, EXPECTED, SECONDS = "dark-scan", "default", "scan/dark", 300
    ALIGNED = True

    def cast(self, hosts):
        self.source = self.stranger(True)

    def act(self, begin, end):
        for _, time in self.ticks(begin, end, 10):
            self.talk.probe(self.source, self.campus.unused(self.rng), ephemeral(self.rng),
                            1433, time, 52, (0, 3))


class Guesser(Attack):
    """A source that guesses passwords of one server at an even pace."""

    PORT, EVERY, TURNS, UP, DOWN = 22, 20.0, 8, 1900, 2700

    def cast(self, hosts):
        self.source = self.stranger(True)
        self.server = self.name(hosts.server(), "victim")

    def act(self, begin, end):
        for _, time in self.ticks(begin, end, self.EVERY):
            self.guess(self.source, time)

    def guess(self, source, time):
        """Plays one session with a wrong password; sshd delays its answer."""
        rng = self.rng
        self.talk.tcp(source, self.server, ephemeral(rng), self.PORT, time,
                      self.UP + rng.randrange(120), self.DOWN + rng.randrange(80),
                      2.2 + rng.random() * 1.5, 0, self.TURNS + rng.randrange(3))


class SshTwenty(Guesser):
    """SSH guesses, one in 20 seconds."""

    KIND, SCOPE, EXPECTED, SECONDS = "ssh-20s", "default", "port/bruteforce", HOUR


class RdpSix(Guesser):
    """RDP guesses, six a minute: TLS and three messages of CredSSP each."""

    KIND, SCOPE, EXPECTED, SECONDS = "rdp-6min", "default", "port/bruteforce", 1800
    PORT, EVERY, TURNS, UP, DOWN = 3389, 10.0, 5, 1500, 2100


class SshMinute(Guesser):
    """SSH guesses, one a minute for six hours."""

    KIND, SCOPE, EXPECTED, SECONDS = "ssh-1min", "state", "port/bruteforce", 6 * HOUR
    EVERY = 60.0


class SshSixty(Guesser):
    """60 sources outside, each with five SSH guesses in ten minutes."""

    KIND, SCOPE, EXPECTED, SECONDS = "ssh-60x5", "default", "port/bruteforce", 1800

    def cast(self, hosts):
        self.server = self.name(hosts.server(), "victim", True)
        self.sources = [self.stranger() for _ in range(60)]

    def act(self, begin, end):
        for number, time in self.ticks(begin, end, 2):
            self.guess(self.sources[number % 60], time)


class SynFlood(Attack):
    """SYNs from random sources; the victim answers until its backlog is full."""

    RATE, ANSWERED = 500.0, 0.5
    # Linux repeats SYN with ACK five times, unless it sends cookies.
    REPEATS = (0,)

    def cast(self, hosts):
        self.victim = self.name(hosts.server(), "victim", True)

    def act(self, begin, end):
        rng = self.rng
        for time in poisson(rng, self.RATE, begin, end):
            source, port = self.campus.outsider(rng), 1024 + rng.randrange(64000)
            there = (source, self.victim, TCP, port, 443)
            back = (self.victim, source, TCP, 443, port)
            if rng.random() >= self.ANSWERED:
                self.exporter.packets(there, [(time, 40, SYN)])
            elif rng.random() < 0.06:
                # The owner of the forged address lives, and resets.
                self.exporter.packets(there, [(time, 40, SYN), (time + 0.15, 40, RST)])
                self.exporter.packets(back, [(time + 0.001, 44, SYN | ACK)])
            else:
                self.exporter.packets(there, [(time, 40, SYN)])
                self.exporter.packets(back, [(time + 0.001 + wait, 44, SYN | ACK)
                                             for wait in self.REPEATS])


class Syn500(SynFlood):
    """500 SYNs a second for five minutes, answered with cookies in part."""

    KIND, SCOPE, EXPECTED, SECONDS = "syn-500", "default", "flood/ddos", 300


class Syn50(SynFlood):
    """50 SYNs a second; the backlog of 1024 is full soon."""

    KIND, SCOPE, EXPECTED, SECONDS = "syn-50", "default", "flood/ddos", 600
    RATE, ANSWERED, REPEATS = 50.0, 0.6, (0, 1, 3, 7, 15)


class Syn5(SynFlood):
    """Five SYNs a second, all answered."""

    KIND, SCOPE, EXPECTED, SECONDS = "syn-5", "default", "flood/ddos", 1800
    RATE, ANSWERED, REPEATS = 5.0, 1.0, (0, 1, 3, 7, 15, 31)


class WaterTorture(Attack):
    """Bots inside that ask our resolver for random names of a zone that is dead.

    Ten names a second are few for such a botnet; the resolver asks up to four
    servers for each.
    """

    KIND, SCOPE, EXPECTED, SECONDS = "water-torture", "default", "flood/ddos flood/dos", 1200
    RATE = 10.0

    def cast(self, hosts):
        self.bots = [self.name(hosts.client(), "attacker") for _ in range(12)]
        self.resolver = self.name(self.campus.host("resolver"), "relay")
        self.servers = [self.name(self.campus.outsider(self.rng), "victim", True)
                        for _ in range(4)]

    def act(self, begin, end):
        rng = self.rng
        for time in poisson(rng, self.RATE, begin, end):
            bot, port = rng.choice(self.bots), ephemeral(rng)
            self.talk.udp(bot, self.resolver, port, 53, time, 90, 90, 6, 2, 1)
            for i, server in enumerate(rng.sample(self.servers, 4)):
                self.exporter.packets((self.resolver, server, UDP, ephemeral(rng), 53),
                                      [(time + 0.8 * 2 ** i, 97, 0)])


class NtpReflection(Attack):
    """Answers to monlist from 150 time servers, five a second from each."""

    KIND, SCOPE, EXPECTED, SECONDS = "ntp-reflection", "default", "flood/reflection", 600

    def cast(self, hosts):
        self.victim = self.name(hosts.client(), "victim", True)
        self.servers = [self.stranger() for _ in range(150)]

    def act(self, begin, end):
        for server in self.servers:
            packets = int(5 * (end - begin))
            if packets:
                self.exporter.steady((server, self.victim, UDP, 123, 3074), begin, end - 0.01,
                                     packets, packets * 468)


class DnsReflection(Attack):
    """Large answers from 400 open resolvers, 100 a second, in two fragments each.

    Routers know no ports of later fragments, so these have ports 0.
    """

    KIND, SCOPE, EXPECTED, SECONDS = "dns-reflection", "default", "flood/reflection", 600
    RATE = 100.0

    def cast(self, hosts):
        self.victim = self.name(hosts.client(), "victim", True)
        self.servers = [self.stranger() for _ in range(400)]

    def act(self, begin, end):
        rng = self.rng
        for time in poisson(rng, self.RATE, begin, end):
            self.exporter.packets((rng.choice(self.servers), self.victim, UDP, 53,
                                   1024 + rng.randrange(64000)), [(time, 1500, 0)])
        for server in self.servers:
            packets = max(1, int(self.RATE / len(self.servers) * (end - begin)))
            self.exporter.steady((server, self.victim, UDP, 0, 0), begin, end - 0.01,
                                 packets, packets * 1480)


class Carpet(Attack):
    """CLDAP reflection to all 254 addresses of one network, from 100 servers."""

    KIND, SCOPE, EXPECTED, SECONDS = "carpet", "default", "flood/carpet", 600
    BURST = 20

    def cast(self, hosts):
        subnet = 30
        self.name(f"163.28.{subnet}.0/24", "victim", True)
        self.targets = [self.name(f"163.28.{subnet}.{i}", "victim") for i in range(1, 255)]
        self.servers = [self.stranger() for _ in range(100)]
        self.pairs = [(s, t) for s in self.servers for t in self.targets]
        self.rng.shuffle(self.pairs)

    def act(self, begin, end):
        for number, time in self.ticks(begin, end, self.SECONDS / len(self.pairs)):
            if number >= len(self.pairs):
                break
            server, target = self.pairs[number]
            self.exporter.steady((server, target, UDP, 389, 1024 + self.rng.randrange(64000)),
                                 time, time + 8, self.BURST, self.BURST * 1428)


class Worm(Attack):
    """An inside host that dials one random address of the Internet in three seconds."""

    KIND, SCOPE, EXPECTED, SECONDS = "worm-3s", "default", "port/spread scan/horizontal", 2 * HOUR

    def cast(self, hosts):
        self.source = self.name(hosts.client(), "attacker", True)

    def act(self, begin, end):
        rng, talk = self.rng, self.talk
        for _, time in self.ticks(begin, end, 3):
            target, port, luck = self.campus.outsider(rng), ephemeral(rng), rng.random()
            if luck < 0.003:
                talk.tcp(self.source, target, port, 445, time, 3000, 2500, 2, turns=8)
            elif luck < 0.015:
                talk.refused(self.source, target, port, 445, time)
            else:
                talk.unanswered(self.source, target, port, 445, time, WINDOWS_RETRIES)


class Spam(Attack):
    """A bot inside that mails to another server every five seconds."""

    KIND, SCOPE, EXPECTED, SECONDS = "spam", "default", "port/spam", HOUR

    def cast(self, hosts):
        self.source = self.name(hosts.client(), "attacker", True)
        self.servers = Zipf([self.campus.outsider(self.rng) for _ in range(3000)], 0.5)

    def act(self, begin, end):
        rng, talk = self.rng, self.talk
        for _, time in self.ticks(begin, end, 5):
            server, port, luck = self.servers.draw(rng), ephemeral(rng), rng.random()
            talk.udp(self.source, self.campus.host("resolver"), ephemeral(rng), 53, time, 70, 160)
            if luck < 0.12:
                talk.unanswered(self.source, server, port, 25, time + 0.1, WINDOWS_RETRIES)
            elif luck < 0.2:
                talk.refused(self.source, server, port, 25, time + 0.1)
            else:
                # Half of the servers refuse the message by code 5xx.
                size = 400 if rng.random() < 0.5 else int(rng.lognormvariate(8.8, 0.6))
                talk.tcp(self.source, server, port, 25, time + 0.1, size, 700,
                         1 + rng.random() * 3, turns=6)


class UdpTwoHundred(Attack):
    """200 sources that send datagrams to random ports of one server, 300 a second in all."""

    KIND, SCOPE, EXPECTED, SECONDS = "udp-200", "default", "flood/ddos", 300

    def cast(self, hosts):
        self.victim = self.name(hosts.server(), "victim", True)
        self.sources = [self.stranger() for _ in range(200)]

    def act(self, begin, end):
        rng = self.rng
        loud = self.victim not in self.campus.firewalled
        for time in poisson(rng, 300, begin, end):
            source = rng.choice(self.sources)
            self.exporter.packets((source, self.victim, UDP, ephemeral(rng),
                                   1 + rng.randrange(65000)), [(time, 540, 0)])
            if loud and rng.random() < 0.5:
                # Linux sends one ICMP error a second to each host.
                self.exporter.packets((self.victim, source, ICMP, 0, 771), [(time, 568, 0)])


class InsideUdp(Attack):
    """A bot inside that sends 5000 datagrams a second to one host, by eight sockets."""

    KIND, SCOPE, EXPECTED, SECONDS = "inside-udp", "default", "flood/outbound", 600

    def cast(self, hosts):
        self.source = self.name(hosts.client(), "attacker", True)
        self.victim = self.name(self.campus.outsider(self.rng), "victim")

    def act(self, begin, end):
        packets = int(5000 / 8 * (end - begin))
        for i in range(8):
            self.exporter.steady((self.source, self.victim, UDP, 40000 + i, 80), begin,
                                 end - 0.01, packets, packets * 1052)


class Vertical(Attack):
    """A source that tries one port of one server in 30 seconds."""

    KIND, SCOPE, EXPECTED, SECONDS = "vertical-30s", "default", "scan/vertical", 2 * HOUR

    def cast(self, hosts):
        self.source = self.stranger(True)
        self.victim = self.name(hosts.server(), "victim")
        self.ports = self.rng.sample(range(1, 10000), 400)

    def act(self, begin, end):
        for number, time in self.ticks(begin, end, 30):
            self.talk.probe(self.source, self.victim, ephemeral(self.rng), self.ports[number],
                            time, 44, (0, 1))


class V6Scan(Attack):
    """A source that tries the low addresses of our IPv6 networks, two a second."""

    KIND, SCOPE, EXPECTED, SECONDS = "ipv6-scan", "default", "scan/dark scan/horizontal", 900

    def cast(self, hosts):
        self.source = self.name(self.campus.outsider_v6(self.rng), "attacker", True)

    def act(self, begin, end):
        for number, time in self.ticks(begin, end, 0.5):
            target = f"2001:288:28:{20 + number // 100:x}::{1 + number % 100:x}"
            self.talk.probe(self.source, target, ephemeral(self.rng), 443, time, 44)


class PingSweep(Attack):
    """An inside host that pings four of our networks, five addresses a second."""

    KIND, SCOPE, EXPECTED, SECONDS = "ping-sweep", "default", "scan/icmp scan/sweep", 204
    INTERNAL = True

    def cast(self, hosts):
        self.source = self.name(hosts.client(), "attacker", True)

    def act(self, begin, end):
        for number, time in self.ticks(begin, end, 0.2):
            target = f"163.28.{40 + number // 254}.{1 + number % 254}"
            alive = self.campus.reaction(target, 0, time) == REFUSED
            self.talk.ping(self.source, target, time, 1, 60, answers=alive)


class Swarm(Attack):
    """200 unrelated sources, each of which tries ten unused addresses in a window."""

    KIND, SCOPE, EXPECTED, SECONDS = "swarm", "default", "port/swarm", 1800

    def cast(self, hosts):
        self.name("163.28.0.0/16", "victim", True)
        self.sources = [self.stranger() for _ in range(200)]

    def act(self, begin, end):
        for number, time in self.ticks(begin, end, 0.3):
            self.talk.probe(self.sources[number % 200], self.campus.unused(self.rng),
                            1024 + self.rng.randrange(64000), 37215, time, 40)


class Lateral(Attack):
    """An inside host that is refused on port 22 by 30 live inside hosts."""

    KIND, SCOPE, EXPECTED, SECONDS = "lateral", "default", "scan/lateral", 300
    ALIGNED = True
    INTERNAL = True

    def cast(self, hosts):
        self.source = self.name(hosts.client(), "attacker", True)
        live = [h for name in ("printer", "phone", "camera") for h in self.campus.groups[name]]
        self.targets = [self.name(h, "victim") for h in self.rng.sample(live, 30)]

    def act(self, begin, end):
        for number, time in self.ticks(begin, end, 10):
            self.talk.refused(self.source, self.targets[number], ephemeral(self.rng), 22, time)


class UdpOne(Attack):
    """A flood by UDP from one source and port, 20,000 datagrams a second."""

    KIND, SCOPE, EXPECTED, SECONDS = "udp-20000", "default", "flood/volume flood/dos", 300

    def cast(self, hosts):
        self.source = self.stranger()
        self.victim = self.name(hosts.server(), "victim", True)

    def act(self, begin, end):
        packets = int(20000 * (end - begin))
        self.exporter.steady((self.source, self.victim, UDP, 45123, 27015), begin, end - 0.01,
                             packets, packets * 128)


class InsideSyn(Attack):
    """A bot inside that floods one host with 2000 SYNs a second from one source port.

    The victim answers a few of them at first. The kernel of the bot knows
    nothing of these connections and resets them.
    """

    KIND, SCOPE, EXPECTED, SECONDS = "inside-syn", "default", "flood/outbound", 600

    def cast(self, hosts):
        self.source = self.name(hosts.client(), "attacker", True)
        self.victim = self.name(self.campus.outsider(self.rng), "victim")

    def act(self, begin, end):
        packets = int(2000 * (end - begin))
        there, back = (self.source, self.victim, TCP, 51515, 443), \
            (self.victim, self.source, TCP, 443, 51515)
        first = RST if begin == self.start else 0
        self.exporter.steady(there, begin, end - 0.01, packets, packets * 40, first, SYN)
        if first:
            self.exporter.steady(back, begin + 0.05, begin + 20, 40, 40 * 44, 0, SYN | ACK)


class SlowOutside(Attack):
    """A source outside that tries one inside address a minute."""

    KIND, SCOPE, EXPECTED, SECONDS = "slow-outside", "state", "scan/slow", 12 * HOUR

    def cast(self, hosts):
        self.source = self.stranger(True)

    def act(self, begin, end):
        for _, time in self.ticks(begin, end, 60):
            self.talk.probe(self.source, self.campus.insider(self.rng), ephemeral(self.rng),
                            8291, time, 44)


class SlowInside(Attack):
    """An inside host that tries one address of the Internet a minute."""

    KIND, SCOPE, EXPECTED, SECONDS = "slow-inside", "state", "scan/slow port/spread", 20 * HOUR

    def cast(self, hosts):
        self.source = self.name(hosts.client(), "attacker", True)

    def act(self, begin, end):
        rng = self.rng
        for _, time in self.ticks(begin, end, 60):
            target = self.campus.outsider(rng)
            if rng.random() < 0.04:
                self.talk.refused(self.source, target, ephemeral(rng), 23, time)
            else:
                self.talk.unanswered(self.source, target, ephemeral(rng), 23, time, (0, 1, 3))


IN_SCOPE = (Group, DarkScan, SshTwenty, RdpSix, Syn500, Syn50, Syn5, WaterTorture,
            NtpReflection, DnsReflection, Carpet, Worm, Spam, UdpTwoHundred, InsideUdp,
            Vertical, V6Scan, PingSweep, Swarm, Lateral, SshSixty, UdpOne, InsideSyn,
            SlowOutside, SlowInside, SshMinute)


class FewOutside(Attack):
    """An inside host that tries 30 hosts of the Internet."""

    KIND, SCOPE, EXPECTED, SECONDS = "few-outside", "out", "-", 300

    def cast(self, hosts):
        self.source = self.name(hosts.client(), "attacker", True)

    def act(self, begin, end):
        for _, time in self.ticks(begin, end, 10):
            self.talk.unanswered(self.source, self.campus.outsider(self.rng),
                                 ephemeral(self.rng), 8545, time, (0, 1, 3))


class Miner(Attack):
    """A miner: a connection to a pool with a message every 20 seconds."""

    KIND, SCOPE, EXPECTED, SECONDS = "miner", "out", "-", 4 * HOUR

    def cast(self, hosts):
        self.source = self.name(hosts.client(), "attacker", True)
        self.pool = self.campus.outsider(self.rng)

    def act(self, begin, end):
        for _, time in self.ticks(begin, end, 20):
            self.exporter.packets((self.source, self.pool, TCP, 44444, 3333),
                                  [(time, 220, PSH | ACK)])
            self.exporter.packets((self.pool, self.source, TCP, 3333, 44444),
                                  [(time + 0.03, 150, PSH | ACK)])


class Exfiltration(Attack):
    """A host that uploads 6 GB to a stranger by TLS."""

    KIND, SCOPE, EXPECTED, SECONDS = "exfiltration", "out", "-", 1800

    def cast(self, hosts):
        self.source = self.name(hosts.client(), "attacker", True)
        self.sink = self.campus.outsider(self.rng)

    def act(self, begin, end):
        if begin == self.start:
            self.talk.tcp(self.source, self.sink, 50505, 443, begin, 6 * 10 ** 9, 10 ** 6,
                          self.SECONDS)


class DnsTunnel(Attack):
    """A tunnel of five questions a second for long names, all answered."""

    KIND, SCOPE, EXPECTED, SECONDS = "dns-tunnel", "out", "-", 1200

    def cast(self, hosts):
        self.source = self.name(hosts.client(), "attacker", True)
        self.resolver = self.name(self.campus.host("resolver"), "relay")
        self.server = self.campus.outsider(self.rng)

    def act(self, begin, end):
        rng, talk = self.rng, self.talk
        for _, time in self.ticks(begin, end, 0.2):
            talk.udp(self.source, self.resolver, ephemeral(rng), 53, time, 230, 260)
            talk.udp(self.resolver, self.server, ephemeral(rng), 53, time, 240, 260)


class AnsweredTorture(Attack):
    """Random names of a zone whose servers answer that they do not exist."""

    KIND, SCOPE, EXPECTED, SECONDS = "answered-torture", "out", "-", 600

    def cast(self, hosts):
        self.source = self.name(hosts.client(), "attacker", True)
        self.resolver = self.name(self.campus.host("resolver"), "relay")
        self.server = self.name(self.campus.outsider(self.rng), "victim", True)

    def act(self, begin, end):
        rng, talk = self.rng, self.talk
        for time in poisson(rng, 10, begin, end):
            talk.udp(self.source, self.resolver, ephemeral(rng), 53, time, 90, 150)
            talk.udp(self.resolver, self.server, ephemeral(rng), 53, time, 97, 160)


class Slowloris(Attack):
    """400 connections to one server, kept open by a header every 15 seconds."""

    KIND, SCOPE, EXPECTED, SECONDS = "slowloris", "out", "-", 600

    def cast(self, hosts):
        self.source = self.stranger(True)
        self.victim = self.name(hosts.server(), "victim", True)

    def act(self, begin, end):
        for i in range(400):
            port = 20000 + i
            packets = max(3, int((end - begin) / 15))
            opening = SYN if begin == self.start else 0
            self.exporter.steady((self.source, self.victim, TCP, port, 80), begin, end - 1,
                                 packets, packets * 72 + syn_size(self.source), opening, PSH | ACK)
            self.exporter.steady((self.victim, self.source, TCP, 80, port), begin + 0.01,
                                 end - 1, packets, packets * 52, opening, ACK)


class HttpFlood(Attack):
    """50 sources that ask one server for pages, 40 a second in all, all answered."""

    KIND, SCOPE, EXPECTED, SECONDS = "http-flood", "out", "-", 600

    def cast(self, hosts):
        self.victim = self.name(hosts.server(), "victim", True)
        self.sources = [self.stranger() for _ in range(50)]

    def act(self, begin, end):
        rng = self.rng
        for time in poisson(rng, 40, begin, end):
            self.talk.tcp(rng.choice(self.sources), self.victim, ephemeral(rng), 80, time,
                          600, 9000, 0.4)


OUT_OF_SCOPE = (FewOutside, Miner, Exfiltration, DnsTunnel, Slowloris, HttpFlood,
                AnsweredTorture)
