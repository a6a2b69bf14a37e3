"""Servers and machines of the campus: names, web, mail, time, and operations."""

from campusnet import DAY, HOUR, Actor, Zipf, daily_load, poisson
from wire import ICMP, OPEN, UDP, WINDOWS_RETRIES, ephemeral

# Some 2 % of delegations lead to servers that do not answer.
LAME = 0.02
# A popular content network has some 3 % of all queries.
ZONE_SHARE = 0.03
# One in eight mail servers of our queues is gone; queues retry every half hour.
MX_DEAD = 0.12
# One in 25 of the hosts that the monitor asks is down.
DOWN = 0.04
# Seconds between health checks of a load balancer.
CHECK_SECONDS = 10


class Names(Actor):
    """Resolvers that clients ask, and name servers that the world asks."""

    def __init__(self, *world, dead_zone):
        super().__init__(*world)
        pool = [(self.campus.outsider(self.rng), self.rng.random() < LAME and i > 50)
                for i in range(3000)]
        self.zones = Zipf([self.rng.sample(pool, self.rng.randint(2, 4))
                           for _ in range(5000)], 0.9)
        self.askers = Zipf([self.campus.outsider(self.rng) for _ in range(2500)], 0.8)
        # A zone in use whose four servers are all silent for some time.
        self.dead_zone = dead_zone
        self.dead_servers = [(self.campus.outsider(self.rng), True) for _ in range(4)]

    def lookup(self, client, time, cached=0.8):
        """Plays a client's query, and the resolver's own ones if it has to ask."""
        rng = self.rng
        second = rng.random() < 0.1
        resolver = self.campus.host("resolver", int(second))
        port = ephemeral(rng)
        zone_dead = self.dead_zone[0] <= time < self.dead_zone[1] and rng.random() < ZONE_SHARE
        if rng.random() < cached and not zone_dead:
            self.talk.udp(client, resolver, port, 53, time, 68, 150 + int(rng.random() * 200))
            return
        seconds = self.resolve(resolver, time + 0.001, zone_dead)
        if seconds is None:
            # The client repeats its query, and learns of the failure at last.
            self.talk.udp(client, resolver, port, 53, time, 68, 68, 9, 3, 1)
            return
        self.exporter.packets((client, resolver, UDP, port, 53), [(time, 68, 0)])
        self.exporter.packets((resolver, client, UDP, 53, port),
                              [(time + seconds, 190, 0)])

    def resolve(self, resolver, time, zone_dead=False):
        """Plays queries to name servers; returns the seconds until an answer, or None."""
        rng = self.rng
        waited = 0.0
        for _ in range(1 + (rng.random() < 0.35)):
            servers = self.dead_servers if zone_dead else self.zones.draw(rng)
            for attempt in range(4):
                server, lame = servers[attempt % len(servers)]
                now = time + waited
                answered = not lame and self.campus.fate(resolver, server, now) == OPEN
                self.talk.udp(resolver, server, ephemeral(rng), 53, now, 75,
                              90 + int(rng.random() * 400), down_packets=int(answered))
                waited += 0.04 if answered else 0.8 * 2 ** attempt
                if answered:
                    break
            else:
                return None
        return waited

    def play(self, begin, end):
        """Plays queries of the world to our name servers."""
        rng, campus = self.rng, self.campus
        for time in poisson(rng, 2.5 * campus.scale * daily_load(begin), begin, end):
            server = rng.choice(campus.groups["ns"])
            asker = self.askers.draw(rng)
            if rng.random() < 0.03:
                self.talk.tcp(asker, server, ephemeral(rng), 53, time, 90, 900, 0.2)
            else:
                # Response rate limiting drops a few answers.
                self.talk.udp(asker, server, ephemeral(rng), 53, time, 72, 220,
                              down_packets=int(rng.random() > 0.005))


class WebServers(Actor):
    """Visitors from outside, crawlers, an uptime check, and a flash crowd."""

    def __init__(self, *world, crowd):
        super().__init__(*world)
        # The learning platform, which students at home use all day.
        self.platform = self.campus.host("web", 0)
        self.students = Zipf([self.campus.outsider(self.rng) for _ in range(1500)], 0.6)
        groups = self.campus.groups
        self.servers = Zipf(groups["web"] + groups["app"], 0.9)
        self.crowd = crowd
        self.crawlers = [self.campus.outsider(self.rng) for _ in range(8)]
        self.checkers = [self.campus.outsider(self.rng) for _ in range(3)]

    def play(self, begin, end):
        """Plays the visits that begin in the window."""
        rng, campus = self.rng, self.campus
        for time in poisson(rng, 0.7 * campus.scale * daily_load(begin, 15), begin, end):
            self.visitor(self.servers.draw(rng), time, 0)
        for time in poisson(rng, 1.2 * campus.scale * daily_load(begin, 16), begin, end):
            self.visitor(self.platform, time, 0, self.students.draw(rng))
        start, stop = self.crowd
        rate = 5 * campus.scale
        for time in poisson(rng, rate, max(begin, start), min(end, stop)):
            # The accept queue of the server overflows now and then.
            self.visitor(campus.host("web", 1), time, 0.04)
        for crawler in self.crawlers:
            for time in poisson(rng, 0.03, begin, end):
                self.fetch(crawler, self.servers.draw(rng), time, 0)
        for minute in range(int(begin), int(end), 60):
            for server in campus.groups["web"]:
                checker = rng.choice(self.checkers)
                self.talk.check(checker, server, ephemeral(rng), 443,
                                minute + rng.random() * 50, False)

    def visitor(self, server, time, lost, source=None):
        """Plays the connections of one visitor, by default a new one, to one server."""
        rng = self.rng
        source = source or self.campus.outsider(rng)
        for _ in range(1 + int(rng.expovariate(0.6))):
            self.fetch(source, server, time, lost)
            time += rng.paretovariate(1.3) * 2

    def fetch(self, source, server, time, lost):
        """Plays one connection, or SYNs that the full queue of the server drops."""
        rng = self.rng
        port = 443 if rng.random() < 0.85 else 80
        if rng.random() < lost:
            self.talk.unanswered(source, server, ephemeral(rng), port, time, WINDOWS_RETRIES)
            return
        down = int(rng.lognormvariate(9.6, 1.6)) + 3000
        self.talk.tcp(source, server, ephemeral(rng), port, time, 900, down,
                      0.2 + down / rng.lognormvariate(13.5, 1), rng.choice((0, 5, 65)))


class Mail(Actor):
    """Mail in and out, with queues for dead servers, and block lists asked by DNS."""

    def __init__(self, *world, dns):
        super().__init__(*world)
        self.dns = dns
        self.exchangers = Zipf([(self.campus.outsider(self.rng), self.rng.random() < MX_DEAD)
                                for _ in range(900)], 0.8)
        self.queue = []

    def play(self, begin, end):
        """Plays deliveries in both directions, and retries of the queue."""
        rng, campus = self.rng, self.campus
        for time in poisson(rng, 0.12 * daily_load(begin), begin, end):
            self.deliver(rng.choice(campus.groups["mail"]), *self.exchangers.draw(rng), time)
        for time in poisson(rng, 0.15 * daily_load(begin), begin, end):
            server = rng.choice(campus.groups["mail"])
            self.dns.lookup(server, time, 0.3)
            self.talk.tcp(campus.outsider(rng), server, ephemeral(rng), 25, time,
                          int(rng.lognormvariate(9.5, 1.5)), 900, 1 + rng.expovariate(0.5), turns=7)
        due = [entry for entry in self.queue if entry[0] < end]
        self.queue = [entry for entry in self.queue if entry[0] >= end]
        for time, mailer, server, dead, tries in due:
            self.deliver(mailer, server, dead, max(time, begin), tries)

    def deliver(self, mailer, server, dead, time, tries=0):
        """Plays one delivery; a server that does not answer puts it into the queue."""
        rng = self.rng
        if dead:
            self.talk.unanswered(mailer, server, ephemeral(rng), 25, time)
        else:
            self.dns.lookup(mailer, time, 0.5)
            if self.talk.tcp(mailer, server, ephemeral(rng), 25, time + 0.1,
                             int(rng.lognormvariate(9.5, 1.5)), 1200,
                             1 + rng.expovariate(0.5), turns=7):
                return
        if tries < 6:
            self.queue.append((time + 1800 * 1.5 ** tries, mailer, server, dead, tries + 1))


class Clocks(Actor):
    """NTP of the campus server, of its pool clients, and of machines that ask outside."""

    def __init__(self, *world):
        super().__init__(*world)
        self.pool = [(self.campus.outsider(self.rng), self.rng.random() < 0.06)
                     for _ in range(120)]
        self.hosts = [(self.rng.choice(self.campus.clients), self.rng.sample(self.pool, 4))
                      for _ in range(60)]
        self.upstream = [self.campus.outsider(self.rng) for _ in range(5)]

    def play(self, begin, end):
        """Plays polls, from port 123 to port 123 by daemons."""
        rng, campus = self.rng, self.campus
        server = campus.host("ntp")
        for client, servers in self.hosts:
            if not client.presence(begin, end):
                continue
            for peer, dead in servers:
                for time in poisson(rng, 1 / 700, begin, end):
                    self.talk.udp(client.address, peer, 123, 123, time, 76, 76,
                                  down_packets=int(not dead))
        for peer in self.upstream:
            for time in poisson(rng, 1 / 64, begin, end):
                self.talk.udp(server, peer, 123, 123, time, 76, 76)
        for group in ("switch", "ap", "printer", "sensor"):
            for device in campus.groups[group]:
                for time in poisson(rng, 1 / 1024, begin, end):
                    self.talk.udp(device, server, ephemeral(rng), 123, time, 76, 76)
        for time in poisson(rng, 0.25 * campus.scale, begin, end):
            source = campus.outsider(rng)
            port = 123 if rng.random() < 0.4 else ephemeral(rng)
            self.talk.udp(source, server, port, 123, time, 76, 76)


class Operations(Actor):
    """Monitoring, health checks, logs, exports, backups and administration."""

    def __init__(self, *world):
        super().__init__(*world)
        groups = self.campus.groups
        everything = (groups["switch"] + groups["ap"] + groups["printer"]
                      + groups["web"] + groups["app"] + groups["login"] + groups["files"])
        self.watched = [(host, self.rng.random() < DOWN) for host in everything[:300]]
        self.managed = groups["web"] + groups["app"] + groups["backend"] + groups["login"] \
            + groups["files"] + groups["mail"] + groups["ns"] + groups["resolver"] \
            + groups["ci"] + groups["switch"]
        # One back end has no service on its second port, and is refused for ever.
        self.refusing = groups["backend"][6]

    def play(self, begin, end):
        """Plays all of them."""
        self.monitor(begin, end)
        self.health_checks(begin, end)
        self.logs(begin, end)
        self.backups(begin, end)
        self.administer(begin, end)
        self.pull(begin, end)

    def monitor(self, begin, end):
        """Plays rounds of ping and SNMP every five minutes."""
        monitor = self.campus.host("monitor")
        for round_start in range(int(begin), int(end), 300):
            port = ephemeral(self.rng)
            for i, (host, down) in enumerate(self.watched):
                time = round_start + 5 + 0.4 * i
                self.talk.ping(monitor, host, time, 1 + 2 * down, answers=not down)
                if host.split(".")[2] == "1":
                    continue
                if down:
                    self.talk.udp(monitor, host, port + i % 7, 161, time + 0.1, 110, 0, 6, 3, 0)
                else:
                    self.talk.udp(monitor, host, port + i % 7, 161, time + 0.1, 110, 420, 0.5, 8, 8)

    def health_checks(self, begin, end):
        """Plays checks of a balancer: half-open at one port, without data at another."""
        balancer = self.campus.host("balancer")
        for start in range(int(begin), int(end), CHECK_SECONDS):
            for i, backend in enumerate(self.campus.groups["backend"]):
                time = start + 0.05 * i
                self.talk.check(balancer, backend, ephemeral(self.rng), 8080, time, True)
                if backend == self.refusing:
                    self.talk.refused(balancer, backend, ephemeral(self.rng), 8443, time)
                else:
                    self.talk.check(balancer, backend, ephemeral(self.rng), 8443, time, False)

    def logs(self, begin, end):
        """Plays syslog and flow exports, which nobody answers."""
        rng, campus = self.rng, self.campus
        collector = campus.host("syslog")
        for group in ("switch", "ap", "web", "mail", "dc"):
            for host in campus.groups[group]:
                for time in poisson(rng, 1 / 200, begin, end):
                    packets = 1 + int(rng.expovariate(0.3))
                    self.exporter.steady((host, collector, UDP, 514, 514), time, time + 8,
                                         packets, packets * 190)
        for host in (campus.router, campus.groups["switch"][0]):
            self.exporter.steady((host, collector, UDP, 50000, 2055), begin, end - 1,
                                 3 * int(end - begin), 3 * int(end - begin) * 1400)

    def backups(self, begin, end):
        """Plays nightly uploads of the servers to one store, and one to a cloud."""
        rng, campus = self.rng, self.campus
        store = campus.host("backup")
        sources = campus.groups["web"] + campus.groups["app"] + campus.groups["files"]
        for i, source in enumerate(sources):
            start = begin - begin % DAY + HOUR + 300 * i
            if begin <= start < end:
                size = int(rng.lognormvariate(21.5, 0.9))
                self.talk.tcp(source, store, ephemeral(rng), 9000, start, size, size // 2000,
                              size / 2.5e7)
        night = begin - begin % DAY + 3 * HOUR
        if begin <= night < end:
            size = 3 * 10 ** 10
            self.talk.tcp(campus.host("files"), "52.95.110.17", ephemeral(rng), 443, night,
                          size, size // 3000, size / 2e7)

    def administer(self, begin, end):
        """Plays the nightly run of an admin host: ssh to 60 hosts, four at a time."""
        rng = self.rng
        start = begin - begin % DAY + 2 * HOUR + 900
        if not begin <= start < end:
            return
        admin = self.campus.host("admin")
        for i, host in enumerate(self.managed[:60]):
            for step in range(2):
                # A task runs some commands over one connection.
                self.talk.tcp(admin, host, ephemeral(rng), 22,
                              start + 12 * (i // 4) + 5 * step,
                              int(rng.lognormvariate(9.8, 0.3)),
                              int(rng.lognormvariate(9.3, 0.4)),
                              4 + rng.random() * 6, turns=22)

    def pull(self, begin, end):
        """Plays builders that ask the git server for news every two minutes."""
        git = self.campus.host("git")
        for i, builder in enumerate(self.campus.groups["ci"]):
            for time in range(int(begin) + 17 * i, int(end), 120):
                self.talk.tcp(builder, git, ephemeral(self.rng), 22, time, 3200, 4100, 0.9,
                              turns=9)


class Logins(Actor):
    """People who work on the login servers and by remote desktop, from anywhere."""

    def play(self, begin, end):
        """Plays sessions of minutes to hours, some mistyped passwords among them."""
        rng, campus = self.rng, self.campus
        servers = [(host, 22) for host in campus.groups["login"] + campus.groups["app"]] \
            + [(host, 3389) for host in campus.groups["app"]]
        for time in poisson(rng, 0.02 * daily_load(begin, 15), begin, end):
            server, port = rng.choice(servers)
            if rng.random() < 0.6:
                source = campus.outsider(rng)
            else:
                client = rng.choice(campus.clients)
                if not client.presence(time, time + 1):
                    continue
                source = client.address
            if rng.random() < 0.15:
                self.talk.tcp(source, server, ephemeral(rng), port, time, 2200, 2900, 6,
                              turns=9)
                time += 9
            seconds = rng.lognormvariate(6.5, 1.5)
            self.talk.tcp(source, server, ephemeral(rng), port, time,
                          int(seconds * 40) + 4000, int(seconds * 300) + 5000, seconds,
                          turns=12 + int(seconds))


class Crawler(Actor):
    """A research crawler: many sites, one in twelve of which is gone."""

    def __init__(self, *world, dns):
        super().__init__(*world)
        self.dns = dns

    def play(self, begin, end):
        """Plays the crawl, from eight in the evening to six in the morning."""
        if 6 * HOUR <= begin % DAY < 20 * HOUR:
            return
        rng = self.rng
        crawler = self.campus.host("crawler")
        for time in poisson(rng, 1.2 * self.campus.scale, begin, end):
            site = self.campus.outsider(rng)
            self.dns.lookup(crawler, time, 0.3)
            fate = rng.random()
            if fate < 0.06:
                self.talk.unanswered(crawler, site, ephemeral(rng), 443, time + 0.1, (0, 1, 3, 7))
            elif fate < 0.085:
                self.talk.refused(crawler, site, ephemeral(rng), 443, time + 0.1)
            else:
                for _ in range(1 + int(rng.random() * 3)):
                    self.talk.tcp(crawler, site, ephemeral(rng), 443, time + 0.1, 800,
                                  int(rng.lognormvariate(10, 1.3)) + 3000, 0.5 + rng.random() * 3)


class Traceroutes(Actor):
    """Admins and probes that trace paths; routers answer by ICMP."""

    def __init__(self, *world):
        super().__init__(*world)
        self.targets = [self.campus.outsider(self.rng) for _ in range(10)]

    def play(self, begin, end):
        """Plays traces of the monitor: three datagrams a hop, to ports that rise."""
        source = self.campus.host("monitor")
        for time in poisson(self.rng, 1 / 300, begin, end):
            target = self.rng.choice(self.targets)
            hops = [self.campus.router] + [self.campus.outsider(self.rng) for _ in range(12)]
            for i in range(39):
                at = time + 0.05 * i
                self.exporter.packets((source, target, UDP, 40000 + i, 33434 + i), [(at, 60, 0)])
                if self.campus.fate(source, target, at) == OPEN:
                    self.exporter.packets((hops[i // 3], source, ICMP, 0, 2816),
                                          [(at + 0.03, 88, 0)])
