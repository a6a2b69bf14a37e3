"""People and their machines: web, background programs, P2P, calls, games."""

from campusnet import HOUR, Actor, Zipf, daily_load, poisson
from wire import (ACK, BROWSER_RETRIES, OPEN, PSH, TCP, UDP, WINDOWS_RETRIES,
                  ephemeral)

# Sites that the clients visit; their popularity follows Zipf's law.
SITES = 3000
# Pareto think times (Crovella and Bestavros, 1997): shape and smallest value.
THINK_SHAPE, THINK_SECONDS = 1.4, 24.0
# Sizes of answers are log-normal with a heavy tail: median of 16 kB.
DOWN_MEDIAN, DOWN_SIGMA = 9.7, 1.7
# A quarter to a third of the addresses that trackers hand out still answer.
PEERS_ALIVE = (0.24, 0.34)
# A node of the DHT answers less often than not, because most sit behind NAT.
NODES_ALIVE = 0.42
# G.711 in RTP: 50 datagrams a second of 160 + 12 + 28 bytes (RFC 3551).
RTP_RATE, RTP_BYTES = 50, 200
# Receivers report every five seconds (RFC 3550, section 6.2).
RTCP_SECONDS = 5


class Site:
    """A web site: its addresses, and whether it is alive."""

    def __init__(self, campus, rng, rank):
        self.v4 = [campus.outsider(rng) for _ in range(1 + (rank < 400) * 3)]
        self.v6 = campus.outsider_v6(rng) if rng.random() < 0.5 else None
        self.quic = rng.random() < 0.4
        # Roughly one in a hundred names leads to a host that is gone.
        self.dead = rank > 60 and rng.random() < 0.012
        self.closed = rank > 60 and rng.random() < 0.004


class Browsing(Actor):
    """Web clients: visits of several hosts, with names looked up before."""

    def __init__(self, *world, dns):
        super().__init__(*world)
        self.dns = dns
        self.sites = Zipf([Site(self.campus, self.rng, i) for i in range(SITES)], 0.9)
        local = self.campus.groups["web"] + self.campus.groups["app"]
        self.local = Zipf(local, 1.1)
        self.next_visit = {}

    def play(self, begin, end):
        """Plays all visits that begin in the window."""
        for client in self.campus.clients:
            span = client.presence(begin, end)
            if span is None:
                self.next_visit.pop(client.address, None)
                continue
            start, stop = span
            time = self.next_visit.get(client.address)
            if time is None:
                time = start + self.rng.random() * 120
            while time < stop:
                self.visit(client, max(time, start))
                think = min(THINK_SECONDS * self.rng.paretovariate(THINK_SHAPE), 2 * HOUR)
                time += think / client.users
            self.next_visit[client.address] = time

    def visit(self, client, time):
        """Plays one page: its site, and third parties that it embeds."""
        rng = self.rng
        if rng.random() < 0.1:
            server = self.local.draw(rng)
            self.dns.lookup(client.address, time, 0.99)
            self.fetch(client.address, server, time + 0.01)
            return
        for _ in range(1 + int(rng.expovariate(0.9))):
            site = self.sites.draw(rng)
            if rng.random() < 0.4:
                self.dns.lookup(client.address, time, 0.8)
            self.connect(client, site, time + 0.05)
            time += rng.expovariate(2)

    def connect(self, client, site, time):
        """Plays the connections to one site, over IPv6 if both sides have it."""
        rng = self.rng
        six = client.v6 and site.v6 and rng.random() < 0.8
        if six and self.campus.fate(client.v6, site.v6, time) != OPEN:
            # The client falls back to IPv4 at once (RFC 8305, section 5).
            self.talk.unanswered(client.v6, site.v6, ephemeral(rng), 443, time, (0, 1))
            six = False
        source = client.v6 if six else client.address
        server = site.v6 if six else site.v4[int(rng.random() * len(site.v4))]
        if site.dead:
            # Chromium opens a second connection while the first one hangs.
            for wait in (0, 0.25):
                self.talk.unanswered(source, server, ephemeral(rng), 443, time + wait,
                                     BROWSER_RETRIES)
        elif site.closed:
            self.talk.refused(source, server, ephemeral(rng), 443, time)
        elif site.quic and rng.random() < 0.65:
            self.quic(source, server, time)
        else:
            self.fetch(source, server, time)

    def fetch(self, source, server, time):
        """Plays a TCP session of a browser, which may linger before it closes."""
        rng = self.rng
        port = 80 if rng.random() < 0.05 else 443
        down = int(rng.lognormvariate(DOWN_MEDIAN, DOWN_SIGMA)) + 3000
        up = int(rng.lognormvariate(7.3, 0.9)) + 500
        seconds = 0.1 + down / rng.lognormvariate(14, 1)
        linger = rng.choice((0, 5, 15, 60, 115)) * rng.random()
        self.talk.tcp(source, server, ephemeral(rng), port, time, up, down, seconds, linger)

    def quic(self, source, server, time):
        """Plays QUIC, or its failure where a firewall drops it, then TCP."""
        rng = self.rng
        port = ephemeral(rng)
        if rng.random() < 0.02 or self.campus.fate(source, server, time) != OPEN:
            # The Initial is padded to 1200 bytes and repeated (RFC 9000, 14.1).
            self.exporter.packets((source, server, UDP, port, 443),
                                  [(time + wait, 1228, 0) for wait in (0, 0.3, 0.9, 2.1)])
            self.fetch(source, server, time + 0.3)
            return
        down = int(rng.lognormvariate(DOWN_MEDIAN, DOWN_SIGMA)) + 4000
        seconds = 0.1 + down / rng.lognormvariate(14, 1) + rng.random() * 30
        packets = 4 + down // 1252
        self.talk.udp(source, server, port, 443, time, 140, 1200, seconds,
                      3 + packets // 3, packets)


class Background(Actor):
    """Programs that nobody looks at: push, mail clients, logons, discovery."""

    def __init__(self, *world):
        super().__init__(*world)
        self.pushers = [self.campus.outsider(self.rng) for _ in range(60)]
        # A file server and a licence server that are gone, but still configured.
        self.old_files = self.campus.unused(self.rng)
        self.old_licences = self.campus.outsider(self.rng)
        self.pushes = {}

    def play(self, begin, end):
        """Plays the background of each machine that is on."""
        for client in self.campus.clients:
            span = client.presence(begin, end)
            if span is None:
                self.pushes.pop(client.address, None)
                continue
            self.keep_alive(client, *span)
            for _ in range(client.users if client.users == 1 else client.users // 3):
                self.office(client, *span)
            if client.users == 1:
                self.discover(client, *span)
                self.stubborn(client, *span)

    def stubborn(self, client, start, stop):
        """Plays programs that keep dialling servers which are gone."""
        rng, number = self.rng, int(client.address.rsplit(".", 1)[1])
        if client.windows and number % 4 == 0:
            for time in poisson(rng, 1 / 500, start, stop):
                self.talk.unanswered(client.address, self.old_files, ephemeral(rng), 445, time,
                                     WINDOWS_RETRIES)
        if number % 97 == 0:
            for time in poisson(rng, 1 / 8, start, stop):
                self.talk.unanswered(client.address, self.old_licences, ephemeral(rng), 27000,
                                     time, (0, 3))

    def keep_alive(self, client, start, stop):
        """Plays idle push connections: a packet each way every few minutes."""
        rng = self.rng
        links = self.pushes.get(client.address)
        if links is None:
            links = [(rng.choice(self.pushers), ephemeral(rng), rng.uniform(55, 900))
                     for _ in range(1 + int(rng.random() * 2) + client.users // 4)]
            self.pushes[client.address] = links
            for server, port, _ in links:
                self.talk.tcp(client.address, server, port, 5223, start, 1900, 5200, 1.5, 0)
        for server, port, every in links:
            time = start + rng.random() * every
            while time < stop:
                there = (client.address, server, TCP, port, 5223)
                back = (server, client.address, TCP, 5223, port)
                self.exporter.packets(there, [(time, 85, PSH | ACK)])
                if self.campus.fate(client.address, server, time) == OPEN:
                    self.exporter.packets(back, [(time + 0.05, 52, ACK)])
                time += every

    def office(self, client, start, stop):
        """Plays mail polls, logons, file shares, time and printing."""
        rng, campus, talk = self.rng, self.campus, self.talk
        source = client.address

        def moment():
            """Draws a moment of the stay."""
            return start + rng.random() * (stop - start)

        if rng.random() < 0.5:
            talk.tcp(source, campus.host("mail"), ephemeral(rng), 993, moment(),
                     1800, int(rng.lognormvariate(8.5, 1.2)), 1 + rng.random() * 20,
                     rng.choice((0, 30)), turns=8)
        if client.windows and rng.random() < 0.3:
            domain = rng.choice(campus.groups["dc"])
            time = moment()
            for port, up, down in ((88, 1800, 1700), (389, 2500, 6000), (445, 3500, 4500)):
                talk.tcp(source, domain, ephemeral(rng), port, time, up, down,
                         0.2 + rng.random(), 10 if port == 445 else 0)
        if client.windows and rng.random() < 0.08:
            # The time service of Windows asks from port 123.
            talk.udp(source, campus.host("dc"), 123, 123, moment(), 76, 76)
        if rng.random() < 0.06:
            down = int(rng.lognormvariate(13, 2))
            talk.tcp(source, rng.choice(campus.groups["files"]), ephemeral(rng), 445,
                     moment(), int(rng.lognormvariate(11, 2)), down,
                     5 + rng.expovariate(1 / 200), 60)
        if rng.random() < 0.02:
            printer = rng.choice(campus.groups["printer"])
            talk.tcp(source, printer, ephemeral(rng), 9100, moment(),
                     int(rng.lognormvariate(12.5, 1)), 200, 4 + rng.random() * 10)

    def discover(self, client, start, stop):
        """Plays discovery by multicast and broadcast, and peers that share updates."""
        rng, campus = self.rng, self.campus
        source = client.address
        subnet = source.rsplit(".", 1)[0]
        time = start + rng.random() * (stop - start)
        if rng.random() < 0.5:
            self.exporter.packets((source, "224.0.0.251", UDP, 5353, 5353),
                                  [(time, 75, 0), (time + 1, 75, 0), (time + 4, 75, 0)])
        if rng.random() < 0.3:
            self.exporter.packets((source, "239.255.255.250", UDP, ephemeral(rng), 1900),
                                  [(time + i, 203, 0) for i in range(4)])
        if client.windows and rng.random() < 0.1:
            self.exporter.packets((source, subnet + ".255", UDP, 137, 137),
                                  [(time, 78, 0), (time + 0.75, 78, 0), (time + 1.5, 78, 0)])
        if client.windows and rng.random() < 0.015:
            self.find_printers(source, time)
        if client.windows and rng.random() < 0.01:
            # Delivery Optimization of Windows dials peers of the site at 7680.
            for peer in rng.sample(campus.clients, 6):
                port = ephemeral(rng)
                if peer.presence(time, time + 1) and rng.random() < 0.5:
                    self.talk.tcp(source, peer.address, port, 7680, time, 900, 4000, 2)
                else:
                    self.talk.unanswered(source, peer.address, port, 7680, time, (0, 3, 9))

    def find_printers(self, source, time):
        """Plays a driver that asks a subnet by SNMP broadcast; printers answer."""
        port = ephemeral(self.rng)
        printers = self.campus.groups["printer"]
        broadcast = printers[0].rsplit(".", 1)[0] + ".255"
        self.exporter.packets((source, broadcast, UDP, port, 161),
                              [(time, 73, 0), (time + 2, 73, 0)])
        for printer in printers:
            self.exporter.packets((printer, source, UDP, 161, port),
                                  [(time + 0.002, 110, 0), (time + 2.002, 110, 0)])


class Torrents(Actor):
    """BitTorrent-like programs: TCP and uTP to peers, and the DHT, from one port."""

    def __init__(self, *world):
        super().__init__(*world)
        users = [c for c in self.campus.clients if c.users == 1 and not c.always_on]
        evening = [c for c in users if c.on > 14 * HOUR]
        self.users = [(c, 1024 + self.rng.randrange(60000), self.rng.uniform(*PEERS_ALIVE))
                      for c in evening[:8] + users[:4]]
        self.contacts = {}

    def play(self, begin, end):
        """Plays each program while its machine is on, and its peers for an hour more."""
        for client, port, alive in self.users:
            span = client.presence(begin, end)
            if span is None:
                self.stale(client, port, begin, end)
                continue
            start, stop = span
            fresh = client.address not in self.contacts
            self.contacts[client.address] = stop
            self.swarm(client.address, port, alive, start, stop, 0.5 if fresh else 0.12)
            self.lookups(client.address, port, start, stop)
            self.incoming(client.address, port, start, stop)

    def swarm(self, source, port, alive, start, stop, rate):
        """Plays dials of peers, by uTP first and by TCP after."""
        rng, talk = self.rng, self.talk
        for time in poisson(rng, rate, start, stop):
            peer = self.campus.outsider(rng)
            there = 1024 + rng.randrange(60000)
            if rng.random() < alive:
                seconds = rng.lognormvariate(3.5, 1.5)
                down = int(rng.lognormvariate(11, 2.5)) + 300
                if rng.random() < 0.5:
                    packets = 3 + down // 1300
                    talk.udp(source, peer, port, there, time, 90, 1000, seconds,
                             2 + packets // 2, packets)
                else:
                    talk.tcp(source, peer, ephemeral(rng), there, time,
                             down // 20 + 200, down, seconds)
                continue
            # SYN of uTP (BEP 29): 20 bytes, repeated after 3 and 9 seconds.
            self.exporter.packets((source, peer, UDP, port, there),
                                  [(time, 48, 0), (time + 3, 48, 0), (time + 9, 48, 0)])
            if rng.random() < 0.15:
                talk.refused(source, peer, ephemeral(rng), there, time)
            else:
                talk.unanswered(source, peer, ephemeral(rng), there, time, (0, 1, 3, 7))

    def lookups(self, source, port, start, stop):
        """Plays lookups in the DHT (BEP 5), in bursts of some 60 nodes."""
        rng = self.rng
        for burst in poisson(rng, 1 / 400, start, stop):
            for i in range(int(rng.gauss(60, 15))):
                node = self.campus.outsider(rng)
                there = 6881 if rng.random() < 0.25 else 1024 + rng.randrange(60000)
                answer = 300 if rng.random() < NODES_ALIVE else 0
                self.talk.udp(source, node, port, there, burst + 0.2 * i, 130, answer,
                              down_packets=1 if answer else 0)

    def incoming(self, source, port, start, stop):
        """Plays queries and dials of other nodes, which are answered."""
        rng = self.rng
        for time in poisson(rng, 0.15, start, stop):
            peer, there = self.campus.outsider(rng), 1024 + rng.randrange(60000)
            if rng.random() < 0.8:
                self.talk.udp(peer, source, there, port, time, 130, 300)
            else:
                self.talk.tcp(peer, source, ephemeral(rng), port, time,
                              int(rng.lognormvariate(8, 2)), int(rng.lognormvariate(10, 2)),
                              rng.lognormvariate(3, 1))

    def stale(self, client, port, begin, end):
        """Plays nodes that still ask a program that was switched off."""
        last = self.contacts.get(client.address)
        if last is None or begin - last > 2 * HOUR:
            return
        rng = self.rng
        rate = 0.15 * (1 - (begin - last) / (2 * HOUR))
        for time in poisson(rng, rate, max(begin, last), end):
            self.talk.udp(self.campus.outsider(rng), client.address,
                          1024 + rng.randrange(60000), port, time, 130, 0, down_packets=0)


class Calls(Actor):
    """Telephones, conferences, and cameras that stream to a recorder."""

    def __init__(self, *world):
        super().__init__(*world)
        self.gateways = [self.campus.outsider(self.rng) for _ in range(3)]
        self.conferences = [self.campus.outsider(self.rng) for _ in range(8)]

    def play(self, begin, end):
        """Plays registrations, calls, conferences and cameras."""
        rng, campus = self.rng, self.campus
        pbx = campus.host("pbx")
        for phone in campus.groups["phone"]:
            for time in range(int(begin) + rng.randrange(300), int(end), 300):
                self.talk.udp(phone, pbx, 5060, 5060, time, 620, 480)
            for time in poisson(rng, 3 * daily_load(begin, 11) ** 2 / HOUR, begin, end):
                self.call(phone, pbx, time)
        for time in poisson(rng, 0.02 * daily_load(begin, 11) * campus.scale, begin, end):
            client = rng.choice(campus.clients)
            if client.presence(time, time + 1):
                self.conference(client.address, time)
        for camera in campus.groups["camera"]:
            self.watch(camera, begin, end)

    def call(self, phone, pbx, time):
        """Plays a call: SIP to the exchange, then RTP and RTCP to the other side."""
        rng = self.rng
        outside = rng.random() < 0.6
        peer = rng.choice(self.gateways) if outside else rng.choice(self.campus.groups["phone"])
        if peer == phone:
            return
        self.talk.udp(phone, pbx, 5060, 5060, time, 900, 700, 3, 4, 5)
        seconds = max(5, rng.lognormvariate(4.7, 1))
        own, other = 16384 + 2 * rng.randrange(8000), 16384 + 2 * rng.randrange(8000)
        start = time + 6
        packets = int(seconds * RTP_RATE)
        held = rng.random() < 0.12
        if held:
            # Music on hold flows one way; the receiver only reports by RTCP.
            self.talk.udp(peer, phone, other, own, start, RTP_BYTES, 0, seconds, packets, 0)
        else:
            self.talk.udp(phone, peer, own, other, start, RTP_BYTES, RTP_BYTES, seconds,
                          packets, packets)
        reports = max(1, int(seconds / RTCP_SECONDS))
        self.talk.udp(phone, peer, own + 1, other + 1, start + 2, 120, 120, seconds,
                      reports, reports)

    def conference(self, client, time):
        """Plays an online lecture: much video down, little up, by one port."""
        rng = self.rng
        server = rng.choice(self.conferences)
        seconds = max(60, rng.gauss(2400, 1200))
        port = ephemeral(rng)
        rate = rng.uniform(80, 300)
        up = rate if rng.random() < 0.4 else rng.uniform(1, 8)
        self.talk.udp(client, server, port, rng.choice((3478, 3480, 8801, 19305)), time,
                      300, 1000, seconds, int(up * seconds), int(rate * seconds))

    def watch(self, camera, begin, end):
        """Plays a camera: RTP one way, with reports on the ports above."""
        nvr = self.campus.host("nvr")
        base = 50000 + 2 * (int(camera.rsplit(".", 1)[1]))
        seconds = end - begin - 0.1
        self.exporter.steady((camera, nvr, UDP, 15000, base), begin, begin + seconds,
                             120 * int(seconds), 120 * int(seconds) * 1228)
        self.talk.udp(camera, nvr, 15001, base + 1, begin, 80, 80, seconds, 120, 120)


class Games(Actor):
    """Games: a browser of servers that asks many, some of which are gone."""

    def __init__(self, *world):
        super().__init__(*world)
        # Server lists of masters are fresh: nine in ten answer.
        self.servers = [(self.campus.outsider(self.rng), self.rng.random() < 0.9)
                        for _ in range(400)]
        users = [c for c in self.campus.clients if c.users == 1 and c.on > 14 * HOUR]
        self.players = users[-15:]

    def play(self, begin, end):
        """Plays a server list, then a match, of the players who are on."""
        rng = self.rng
        for client in self.players:
            span = client.presence(begin, end)
            if span is None or rng.random() > 0.25:
                continue
            start, stop = span
            time = start + rng.random() * (stop - start)
            port = ephemeral(rng)
            for i, (server, alive) in enumerate(rng.sample(self.servers, 120)):
                self.talk.udp(client.address, server, port, 27015 + i % 3, time + 0.05 * i,
                              53, 180, down_packets=1 if alive else 0)
            server = rng.choice([s for s, alive in self.servers if alive])
            seconds = rng.lognormvariate(6.5, 0.5)
            self.talk.udp(client.address, server, port, 27015, time + 15, 90, 180, seconds,
                          int(seconds * 33), int(seconds * 66))


class Tunnels(Actor):
    """Clients of VPNs, and keep-alives that hold a translator's entry open."""

    def __init__(self, *world):
        super().__init__(*world)
        users = [c for c in self.campus.clients if c.users == 1]
        self.keepers = [(c, self.campus.outsider(self.rng), kind)
                        for c, kind in zip(users[60:84], ("ipsec", "wireguard", "sip") * 8)]
        self.remote = [self.campus.outsider(self.rng) for _ in range(40)]

    def play(self, begin, end):
        """Plays single datagrams every 20 to 30 seconds, and VPN sessions."""
        rng = self.rng
        for client, server, kind in self.keepers:
            span = client.presence(begin, end)
            if span is None:
                continue
            if kind == "ipsec":
                # One byte of 0xFF from port 4500, never answered (RFC 3948, 2.3).
                self.beat(client.address, server, 4500, 20, span, 29)
            elif kind == "wireguard":
                self.beat(client.address, server, 51820, 25, span, 60)
                for time in poisson(rng, 1 / 130, *span):
                    # A handshake renews the keys every two minutes.
                    self.talk.udp(client.address, server, 51820, 51820, time, 176, 120)
            else:
                self.beat(client.address, server, 5060, 30, span, 32)
        vpn = self.campus.host("vpn")
        for time in poisson(rng, daily_load(begin, 20) * 40 / (4 * HOUR), begin, end):
            seconds = rng.lognormvariate(7.5, 1)
            down = int(rng.lognormvariate(8, 1.5)) + 20
            self.talk.udp(rng.choice(self.remote), vpn, ephemeral(rng), 1194, time, 200, 700,
                          seconds, down // 2 + 10, down)

    def beat(self, source, server, port, every, span, size):
        """Plays one datagram every `every` seconds, from the port that it goes to."""
        time = span[0] + self.rng.random() * every
        while time < span[1]:
            self.exporter.packets((source, server, UDP, port, port), [(time, size, 0)])
            time += every + self.rng.uniform(-0.5, 0.5)
