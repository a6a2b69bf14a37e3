"""Flow cache of a router, and the conversations that fill it.

The exporter follows RFC 3954, section 3.2, and RFC 7011, section 8: a record
ends after FIN or RST, after a silence longer than the inactive timeout, and
after the active timeout. Each direction of a conversation is a flow.
"""

import math
import zlib
from collections import defaultdict

WINDOW = 600
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
OPEN, SILENT, REFUSED, UNUSED, NEVER = range(5)

# IPv4 and TCP headers with the timestamps option, as Linux and macOS send them.
HEADERS = 52
# A segment on Ethernet: 1500 bytes less these headers.
SEGMENT = 1448
# An IPv6 header has 20 bytes more than an IPv4 header.
V6_EXTRA = 20
# SYN with the options of Windows (no timestamps), Linux and macOS.
SYN_SIZES = (52, 60, 64)
# SYN retransmissions of Linux double from one second (RFC 6298, section 2).
LINUX_RETRIES = (0, 1, 3, 7, 15, 31)
# Windows sends two more SYNs, and gives up after 21 seconds.
WINDOWS_RETRIES = (0, 3, 9)
# A browser gives up earlier, because it tries another address or port.
BROWSER_RETRIES = (0, 1, 3, 7)
# Routers look for expired entries every few seconds.
CACHE_SCAN = 2.0
# Many routers age out a flow on FIN, so the last ACK makes a record of its own.
LONE_LAST_ACK = 0.03

INSIDE_V4 = "163.28."
INSIDE_V6 = "2001:288:28:"
INSIDE = (INSIDE_V4, INSIDE_V6)
INSIDE_NETS = "163.28.0.0/16,2001:288:28::/48"


def is_inside(address):
    """Returns true if the address belongs to the campus."""
    return address.startswith(INSIDE)


def syn_size(address):
    """Returns the size of a host's SYN, always the same for one host."""
    size = SYN_SIZES[zlib.crc32(address.encode()) % 3]
    return size + V6_EXTRA if ":" in address else size


def ephemeral(rng):
    """Returns a client port from Linux's default range."""
    return 32768 + int(rng.random() * 28232)


class Exporter:
    """A flow cache that files its records by the window of their export.

    A router at the border sees only flows between inside and outside.
    """

    def __init__(self, active, inactive, border=False):
        self.active = active
        self.inactive = inactive
        self.border = border
        self.windows = defaultdict(list)

    def record(self, key, packets, octets, start, end, flags, expired):
        """Files one record; `key` is (source, destination, proto, ports)."""
        src, dst, proto, sport, dport = key
        sif = 2 if src.startswith(INSIDE) else 1
        dif = 2 if dst.startswith(INSIDE) else 1
        if self.border and sif == dif:
            return
        self.windows[int((expired + CACHE_SCAN) // WINDOW)].append(
            f"{sif}\t{src}\t{dst}\t{dif}\t{proto}\t{sport}\t{dport}\t{packets}"
            f"\t{octets}\t{start:.3f}\t{end:.3f}\t{flags}\n"
        )

    def packets(self, key, packets):
        """Exports single packets (time, bytes, flags), given in order of time."""
        first = last = packets[0][0]
        count = size = flags = 0
        for time, octets, bits in packets:
            if count and (time - last > self.inactive or time - first > self.active):
                self.record(key, count, size, first, last, flags,
                            min(last + self.inactive, first + self.active))
                first, count, size, flags = time, 0, 0, 0
            last = time
            count += 1
            size += octets
            flags |= bits
        closed = flags & (FIN | RST)
        self.record(key, count, size, first, last, flags,
                    last if closed else min(last + self.inactive, first + self.active))

    def steady(self, key, start, end, packets, octets, first=0, middle=0, last=0):
        """Exports evenly spaced packets.

        `first` and `last` are the flags of the first and the last packet, and
        `middle` those of all packets.
        """
        seconds = end - start
        if packets > 1 and seconds / (packets - 1) > self.inactive:
            step, size = seconds / (packets - 1), octets // packets
            bits = [middle] * packets
            bits[0] |= first
            bits[-1] |= last
            self.packets(key, [(start + i * step, size, bits[i]) for i in range(packets)])
            return
        pieces = max(1, math.ceil(seconds / self.active))
        sent = sent_octets = 0
        for i in range(pieces):
            share = (i + 1) / pieces
            count, size = round(packets * share) - sent, round(octets * share) - sent_octets
            sent, sent_octets = sent + count, sent_octets + size
            if not count:
                continue
            begin, stop = start + seconds * i / pieces, start + seconds * share
            bits = middle | (first if i == 0 else 0) | (last if i == pieces - 1 else 0)
            if count == 1 and pieces == 1:
                stop = begin
            wait = 0 if bits & (FIN | RST) else self.inactive
            self.record(key, count, size, begin, stop, bits,
                        stop + wait if i == pieces - 1 else stop)


class Conversations:
    """Shapes of conversations, played through one exporter by one actor."""

    def __init__(self, exporter, campus, rng):
        self.exporter = exporter
        self.campus = campus
        self.rng = rng

    def round_trip(self, client, server):
        """Draws the time from a packet at the router to its answer there."""
        if is_inside(server):
            return 0.0004 + self.rng.expovariate(1 / 0.0006)
        return self.rng.lognormvariate(-3.2, 0.8)

    def tcp(self, client, server, cport, sport, start, up, down, seconds, linger=0.0,
            turns=2):
        """Plays a TCP session of `up` and `down` bytes; returns true if it opened.

        `turns` counts the small messages of a dialogue that each side sends in
        segments of their own; TLS has two of them. After `seconds` of transfer
        the connection is idle for `linger`, and closes then. An outage cuts it
        without FIN. A server that goes into maintenance meanwhile closes it.
        """
        fate = self.campus.fate(client, server, start)
        if fate != OPEN:
            self.fail(client, server, cport, sport, start, fate)
            return False
        rng = self.rng
        trip = self.round_trip(client, server)
        seconds = max(seconds, 3 * trip)
        end, torn = self.campus.cut(client, server, start, start + seconds)
        if end < start + seconds:
            share = (end - start) / seconds
            up, down, linger = int(up * share), int(down * share), 0
        extra = V6_EXTRA if ":" in client else 0
        head = HEADERS + extra
        up_segments, down_segments = -(-up // SEGMENT), -(-down // SEGMENT)
        forward = 3 + turns + up_segments + (down_segments + 1) // 2
        reverse = 2 + turns + down_segments + (up_segments + 1) // 2
        there = (client, server, TCP, cport, sport)
        back = (server, client, TCP, sport, cport)
        data = ACK | (PSH if up or down else 0)
        closing, server_closing = FIN | ACK, FIN | ACK
        if torn:
            closing = server_closing = ACK
        elif rng.random() < 0.12:
            closing = RST | ACK
            server_closing = ACK
        late_close = linger > self.exporter.inactive and not torn
        if not late_close:
            end += linger
        late = late_close or torn
        export = self.exporter.steady
        export(there, start, end, forward, forward * head + 8 + up, SYN, data,
               0 if late else closing)
        export(back, start + trip, max(end, start + trip), reverse,
               reverse * head + 8 + down, SYN | ACK, data, 0 if late else server_closing)
        if late_close:
            self.close(there, back, end + linger, trip, head)
        elif not torn and rng.random() < LONE_LAST_ACK:
            export(there, end + trip, end + trip, 1, head, 0, ACK, 0)
        return True

    def close(self, there, back, time, trip, head):
        """Plays the end of an idle connection, which the server closes."""
        self.exporter.packets(back, [(time, head, FIN | ACK), (time + trip, head, ACK)])
        self.exporter.packets(there, [(time + trip / 2, head, ACK),
                                      (time + trip, head, FIN | ACK)])

    def fail(self, client, server, cport, sport, start, fate):
        """Plays an attempt to connect that meets a silent or closed port."""
        if fate in (SILENT, UNUSED):
            self.unanswered(client, server, cport, sport, start, BROWSER_RETRIES)
        elif fate == REFUSED:
            self.refused(client, server, cport, sport, start)

    def unanswered(self, client, server, cport, sport, start, retries=LINUX_RETRIES):
        """Plays SYNs that nobody answers."""
        size = syn_size(client)
        self.exporter.packets((client, server, TCP, cport, sport),
                              [(start + wait, size, SYN) for wait in retries])

    def refused(self, client, server, cport, sport, start):
        """Plays SYNs that are answered by RST; Windows tries three times."""
        size = syn_size(client)
        extra = V6_EXTRA if ":" in client else 0
        tries = 3 if size - extra == 52 else 1
        trip = self.round_trip(client, server)
        times = [start + 0.5 * i for i in range(tries)]
        self.exporter.packets((client, server, TCP, cport, sport),
                              [(t, size, SYN) for t in times])
        self.exporter.packets((server, client, TCP, sport, cport),
                              [(t + trip, 40 + extra, RST | ACK) for t in times])

    def check(self, client, server, cport, sport, start, half_open):
        """Plays a health check: a connection that is opened and closed at once."""
        fate = self.campus.fate(client, server, start)
        if fate in (SILENT, UNUSED):
            self.unanswered(client, server, cport, sport, start, (0, 1))
            return
        if fate == REFUSED:
            self.refused(client, server, cport, sport, start)
            return
        if fate == NEVER:
            return
        trip = self.round_trip(client, server)
        if half_open:
            forward = [(start, 60, SYN), (start + trip, 40, RST)]
            reverse = [(start + trip, 60, SYN | ACK)]
        else:
            forward = [(start, 60, SYN), (start + trip, 52, ACK),
                       (start + trip, 52, FIN | ACK), (start + 2 * trip, 52, ACK)]
            reverse = [(start + trip, 60, SYN | ACK), (start + 2 * trip, 52, FIN | ACK)]
        self.exporter.packets((client, server, TCP, cport, sport), forward)
        self.exporter.packets((server, client, TCP, sport, cport), reverse)

    def udp(self, client, server, cport, sport, start, up, down, seconds=0.0,
            up_packets=1, down_packets=1):
        """Plays datagrams both ways, of `up` and `down` bytes at the IP layer.

        Returns true if the server could answer. In an outage, and from a
        server in maintenance, no answer comes, and the client gives up after
        three datagrams.
        """
        fate = self.campus.fate(client, server, start)
        if fate == NEVER:
            return False
        if fate != OPEN and down_packets:
            up_packets, seconds = min(up_packets, 3), min(seconds, 3.0)
        end, _ = self.campus.cut(client, server, start, start + seconds)
        if end < start + seconds:
            share = (end - start) / seconds
            up_packets = max(1, round(up_packets * share))
            down_packets = round(down_packets * share)
        self.exporter.steady((client, server, UDP, cport, sport), start, end,
                             up_packets, up_packets * up)
        if fate != OPEN or not down_packets:
            return fate == OPEN
        trip = self.round_trip(client, server)
        self.exporter.steady((server, client, UDP, sport, cport), start + trip,
                             end + trip, down_packets, down_packets * down)
        return True

    def ping(self, source, target, start, count=1, size=84, answers=True):
        """Plays echo requests, a second apart, and their answers."""
        proto, ask, reply = (ICMP6, 32768, 33024) if ":" in source else (ICMP, 2048, 0)
        if self.campus.fate(source, target, start) == NEVER:
            return
        self.exporter.steady((source, target, proto, 0, ask), start,
                             start + count - 1, count, count * size)
        if answers and self.campus.fate(source, target, start) == OPEN:
            trip = self.round_trip(source, target)
            self.exporter.steady((target, source, proto, 0, reply), start + trip,
                                 start + trip + count - 1, count, count * size)

    def probe(self, source, target, sport, dport, start, syn=40, retries=(0,)):
        """Plays a scanner's SYN and what the campus answers; returns the reaction.

        A scanner with a raw socket resets an open port, because its kernel
        knows nothing of the connection.
        """
        if self.campus.fate(source, target, start) == NEVER:
            return NEVER
        reaction = self.campus.reaction(target, dport, start)
        trip = self.round_trip(source, target)
        there, back = (source, target, TCP, sport, dport), (target, source, TCP, dport, sport)
        extra = V6_EXTRA if ":" in source else 0
        if reaction == OPEN:
            away = self.rng.lognormvariate(-2.2, 0.5)
            self.exporter.packets(there, [(start, syn + extra, SYN),
                                          (start + away, 40 + extra, RST)])
            self.exporter.packets(back, [(start + trip, 44 + extra, SYN | ACK)])
        elif reaction == REFUSED:
            self.exporter.packets(there, [(start, syn + extra, SYN)])
            self.exporter.packets(back, [(start + trip, 40 + extra, RST | ACK)])
        else:
            self.exporter.packets(there, [(start + wait, syn + extra, SYN) for wait in retries])
            if reaction == UNUSED:
                self.unreachable(source, start + 1)
        return reaction

    def probe_udp(self, source, target, sport, dport, start, size):
        """Plays a scanner's datagram; a closed port answers by ICMP."""
        if self.campus.fate(source, target, start) == NEVER:
            return
        self.exporter.packets((source, target, UDP, sport, dport), [(start, size, 0)])
        reaction = self.campus.reaction_udp(target, dport, start)
        trip = self.round_trip(source, target)
        if reaction == OPEN:
            self.exporter.packets((target, source, UDP, dport, sport),
                                  [(start + trip, size + 40, 0)])
        elif reaction == REFUSED:
            self.exporter.packets((target, source, ICMP, 0, 771),
                                  [(start + trip, min(size + 28, 576), 0)])
        elif reaction == UNUSED:
            self.unreachable(source, start + 1)

    def unreachable(self, source, time):
        """Plays the router's ICMP "host unreachable", which is limited in rate."""
        if not self.campus.may_complain(time):
            return
        if ":" in source:
            self.exporter.packets((self.campus.router6, source, ICMP6, 0, 259),
                                  [(time, 108, 0)])
        else:
            self.exporter.packets((self.campus.router, source, ICMP, 0, 769),
                                  [(time, 56, 0)])
