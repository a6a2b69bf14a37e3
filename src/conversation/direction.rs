//! One direction of a conversation: its totals, and what its TCP flags and sizes show.

use super::address::Address;
use super::count::{Peak, PerWindow};

/// TCP control bit FIN: the sender has no more data (RFC 9293 section 3.1).
pub const FIN: u8 = 0x01;
/// TCP control bit SYN: synchronize sequence numbers.
pub const SYN: u8 = 0x02;
/// TCP control bit RST: reset the connection.
pub const RST: u8 = 0x04;
/// TCP control bit PSH: deliver the data to the application at once.
pub const PSH: u8 = 0x08;
/// TCP control bit ACK: the segment acknowledges data or a SYN.
pub const ACK: u8 = 0x10;

/// The most packets that a TCP flow has if it is only an attempt: a SYN and its retransmissions.
pub(super) const TCP_ATTEMPT: u32 = 7;

/// The fewest packets that each direction has of a TCP connection that carried data.
pub(super) const EXCHANGE_PACKETS: u32 = 3;

/// The fewest packets of a record of a transfer of data, and the bytes that they exceed each.
const TRANSFER_PACKETS: u32 = 10;
const TRANSFER_BYTES: u64 = 200;

/// The totals over all flow records of one direction of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectionTotals {
    /// Number of flow records; 0 if this direction was not seen.
    pub flows: u32,
    /// Packets of all records.
    pub packets: u64,
    /// Bytes of all records.
    pub bytes: u64,
    /// Packets and bytes that do not count for the window's rate, because their records last longer than
    /// the window. While rows are added, the numbers may wrap around 0.
    pub(super) outside_window: PerWindow,
    /// Packets of the largest record, in the form of [`narrow`](super::narrow): exact below 2^31, and in
    /// order above.
    pub largest_packets: u32,
    /// Packets and bytes of the smallest record, in the form of [`narrow`](super::narrow).
    pub shape: (u32, u32),
    /// OR of the TCP flags of all records.
    pub flags: u8,
    /// True if all records had TCP flags.
    pub has_flags: bool,
    /// True if some record has more than [`Address::LOADED`](super::Address::LOADED) bytes per packet.
    pub has_payload: bool,
    /// True if some record has more than [`Address::RESET`](super::Address::RESET) bytes per packet.
    pub exceeds_reset: bool,
    /// True if some record of at least three packets has more than
    /// [`Address::RESET`](super::Address::RESET) bytes per packet.
    pub has_exchange: bool,
    /// True if some record has more than [`Address::BARE`](super::Address::BARE) bytes per packet.
    pub exceeds_bare: bool,
    /// True if some record came in at an outside interface with an inside source address.
    pub spoofed: bool,
    /// The busiest minute.
    pub peak: Peak,
    /// Start of the earliest record in milliseconds since the epoch; 0 if no record had a start.
    pub start: u64,
}

impl DirectionTotals {
    /// The totals of a direction without any record.
    pub const NONE: DirectionTotals = DirectionTotals {
        flows: 0,
        packets: 0,
        bytes: 0,
        outside_window: PerWindow::NONE,
        largest_packets: 0,
        shape: (u32::MAX, u32::MAX),
        flags: 0,
        has_flags: true,
        has_payload: false,
        exceeds_reset: false,
        has_exchange: false,
        exceeds_bare: false,
        spoofed: false,
        peak: Peak { packets: 0, bytes: 0, minute: 0 },
        start: 0,
    };

    /// Returns the packets and bytes that count for a rate over the window.
    pub const fn per_window(&self) -> PerWindow {
        PerWindow {
            packets: self.packets.saturating_sub(self.outside_window.packets),
            bytes: self.bytes.saturating_sub(self.outside_window.bytes),
        }
    }

    /// Returns true if there is a record of this direction.
    pub const fn is_present(&self) -> bool {
        self.flows > 0
    }

    /// Returns the lower 32 bits of [`start`](DirectionTotals::start), as rows hold them: 0 if it is unknown, and
    /// never 0 if it is known.
    pub const fn start_in_row(&self) -> u32 {
        let lower = self.start as u32;
        if self.start != 0 && lower == 0 { 1 } else { lower }
    }

    /// Returns true if this direction may be replies to an attempt and nothing more: few packets, without
    /// data.
    pub const fn is_bare_reply(&self) -> bool {
        self.largest_packets <= TCP_ATTEMPT && !self.exceeds_bare
    }

    /// Returns true if this direction of a TCP connection shows that the other side answered, even if the
    /// answers were not exported.
    ///
    /// With flags, an ACK shows it, except in a SYN+ACK or a reset. Without flags, packets larger than
    /// headers show it, because data is sent only into an open connection. An attempt shows nothing,
    /// however often it is repeated.
    pub(super) fn was_answered(&self) -> bool {
        if self.has_flags && self.flags != 0 {
            self.has(ACK) && !self.only_replies()
        } else {
            self.exceeds_bare
        }
    }

    /// Returns true for single TCP packets that may be acknowledgements of an open connection: as long as one with
    /// timestamps (12 bytes, RFC 7323 section 3.2), without flags or with ACK alone; or with ACK alone and a byte of
    /// data, as some systems keep a connection alive. A SYN can be as long as the former; but a SYN that nobody answers
    /// is sent again, and its record has several packets. The probes of an ACK scan have no options.
    pub(super) fn may_acknowledge<A: Address>(&self) -> bool {
        let only_acknowledges = self.has_flags && self.flags == ACK;
        (self.are_single(A::LEAST + 12) && (!self.has_flags || only_acknowledges))
            || (self.are_single(A::LEAST + 1) && only_acknowledges)
    }

    /// Returns true for single TCP packets of this size: a packet in each record, of which several exporters may have
    /// sent one each.
    fn are_single(&self, bytes: u64) -> bool {
        self.largest_packets == 1 && self.bytes == bytes * self.packets
    }

    /// Returns true if this direction and the one that answers it may be a probe and its acknowledgement, by which an
    /// idle connection is kept alive (RFC 9293 section 3.8.4): a packet each way without known flags, where the answer
    /// is as long as an acknowledgement with timestamps, or the probe has a byte of data.
    pub(super) fn may_keep_alive<A: Address>(&self, answer: &DirectionTotals) -> bool {
        let are_unknown = !self.has_flags && !answer.has_flags;
        let are_single = self.largest_packets == 1 && answer.largest_packets == 1;
        are_unknown
            && are_single
            && (self.are_single(A::LEAST + 1) || answer.are_single(A::LEAST + 12))
    }

    /// Returns true if the sizes of TCP records without flags show that this side opened a connection and reset it
    /// when it was accepted, as a health check does: `answer` is a SYN+ACK in each record, and this direction has a
    /// SYN as long as that, perhaps an acknowledgement, and a reset. The last two are bare, or have timestamps (12
    /// bytes, RFC 7323 section 3.2) if the SYN has room for them beside the segment size.
    ///
    /// A SYN+ACK that is sent again does not look so, because each has the same size.
    pub(super) fn may_reset_its_own<A: Address>(&self, answer: &DirectionTotals) -> bool {
        const SEGMENT_SIZE: u64 = 4;
        const TIMESTAMPS: u64 = 12;
        if self.has_flags || answer.has_flags || self.flows != answer.flows {
            return false;
        }
        let records = u64::from(answer.flows).max(1);
        let syn = answer.bytes / records;
        if !answer.are_single(syn)
            || syn <= A::LEAST
            || self.packets < records
            || self.packets % records != 0
        {
            return false;
        }
        let after = self.packets / records - 1;
        let bytes = self.bytes.saturating_sub(records * syn);
        let has_room = syn >= A::LEAST + TIMESTAMPS + SEGMENT_SIZE;
        let most_stamped = if has_room { after } else { 0 };
        (1..=2).contains(&after)
            && (0..=most_stamped)
                .any(|stamped| bytes == records * (after * A::LEAST + stamped * TIMESTAMPS))
    }

    /// Returns true if this direction of a TCP connection carries data in full segments, as a download or an upload
    /// does: the other side acknowledges them, by whatever way the acknowledgements go.
    ///
    /// A flood of such segments from one port looks the same.
    pub fn is_transfer(&self) -> bool {
        self.has_flags
            && self.has(ACK)
            && self.largest_packets >= TRANSFER_PACKETS
            && self.bytes > TRANSFER_BYTES * self.packets
    }

    /// Returns true if all of these flags are set.
    pub(super) fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// Returns true if this direction opens a TCP connection and never gets further: SYN without ACK.
    pub(super) fn only_opens(&self) -> bool {
        self.has_flags && self.has(SYN) && !self.has(ACK)
    }

    /// Returns true if each record of this direction is one packet with SYN and ACK: the answer to a SYN.
    pub(super) fn is_lone_accept(&self) -> bool {
        self.accepts() && self.flags & RST == 0 && self.largest_packets == 1
    }

    /// Returns true if this direction only probes by TCP: it has SYN or FIN, but no ACK.
    ///
    /// Every segment of an established connection has ACK (RFC 9293 section 3.10.7.4), so a SYN that
    /// carries data is a probe as well. Flags that are all zero are not a probe: some exporters fill in
    /// zero because they do not look at the flags.
    pub(super) fn only_probes(&self) -> bool {
        self.has_flags && self.flags & (SYN | FIN) != 0 && !self.has(ACK)
    }

    /// Returns true if this direction only replies to an attempt: with SYN+ACK or with a reset.
    pub(super) fn only_replies(&self) -> bool {
        self.accepts() || self.only_resets()
    }

    /// Returns true if this direction is SYN+ACK and nothing that comes later in a connection.
    pub fn accepts(&self) -> bool {
        self.has_flags && self.has(SYN | ACK) && self.flags & (FIN | PSH) == 0 && !self.exceeds_bare
    }

    /// Returns true if this direction is resets without data.
    pub(super) fn only_resets(&self) -> bool {
        self.has_flags && self.has(RST) && self.flags & (SYN | FIN | PSH) == 0 && !self.exceeds_bare
    }
}
