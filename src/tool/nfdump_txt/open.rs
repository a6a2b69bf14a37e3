//! The window that is open, and what its `#end` will say.

use crate::capture::Closing;
use crate::time::{End, Timestamp, Window, WindowState};
use crate::wire::{Batch, Lost};

/// Nanoseconds in a second.
const NANOS: u64 = 1_000_000_000;

/// The window that is open.
pub(super) struct Open {
    pub window: Window,
    pub flows: u64,
    pub late: u64,
    /// Datagrams that came, and those of them that could be read as one of the protocols.
    pub datagrams: u64,
    pub decoded: u64,
    pub sampling: u32,
    /// By sequence number.
    pub lost: Lost,
    /// The same as the collector told it: it knows what came before the first datagram of a file.
    told: Lost,
    /// Drops that the collector told, where it told.
    pub dropped: Option<u64>,
    /// Whether the collector took exports from anyone, where it told.
    pub from_anyone: Option<bool>,
    pub cut: bool,
    /// Nanoseconds of it in which nfcap listened, and until when.
    covered: u64,
    until: Timestamp,
}

impl Open {
    pub(super) fn new(window: Window, cut: bool) -> Open {
        Open {
            window,
            flows: 0,
            late: 0,
            datagrams: 0,
            decoded: 0,
            sampling: 0,
            lost: Lost::default(),
            told: Lost::default(),
            dropped: None,
            from_anyone: None,
            cut,
            covered: 0,
            until: Timestamp::default(),
        }
    }

    pub(super) fn holds(&self, start: u64) -> bool {
        self.window.holds(Timestamp::from_secs(start))
    }

    /// Adds what came of a datagram.
    pub(super) fn add(&mut self, batch: &Batch) {
        self.flows += batch.flows.len() as u64;
        self.late += batch.late;
        self.lost.add(batch.lost);
        let sampling = batch.flows.iter().map(|flow| flow.sampling).max().unwrap_or(0);
        self.sampling = self.sampling.max(sampling);
    }

    /// Adds what the closing block of one of nfcap's files says: its drops, what is missing, and the
    /// time between two moments as far as it lies in the window and no other file covered it.
    pub(super) fn close(&mut self, closing: &Closing) {
        self.dropped = Some(self.dropped.unwrap_or(0).saturating_add(closing.dropped()));
        self.told.add(closing.missing);
        let inside = |time: Timestamp| {
            time.nanos().clamp(self.window.start() * NANOS, self.window.end() * NANOS)
        };
        let (start, end) = (inside(closing.start.max(self.until)), inside(closing.end));
        self.covered += end.saturating_sub(start);
        self.until = self.until.max(closing.end);
    }

    /// What is known of it at its end.
    pub(super) fn end(&self, scaled: bool) -> End {
        // Another program's capture may begin or end in the middle of a window: only nfcap's slots
        // are known to have been listened to. What was heard and not understood is not seen.
        let length = u64::from(self.window.seconds()) * NANOS;
        let unseen = self.covered + NANOS < length || self.decoded == 0;
        let cover = u32::try_from((self.covered + NANOS / 2) / NANOS).ok();
        let state = match (self.cut, self.from_anyone, self.datagrams) {
            (true, _, _) => Some(WindowState::Cut),
            (false, None, _) => None,
            (false, Some(_), 0) if self.covered + NANOS >= length => Some(WindowState::NoData),
            (false, Some(_), _) if unseen => Some(WindowState::Cut),
            (false, Some(_), _) => Some(WindowState::Ok),
        };
        // A datagram that was late fills a gap which an earlier window may have told.
        let missing = |n: i64| u64::try_from(n).unwrap_or(0);
        let most = |here: Option<i64>, told: Option<i64>| here.map(missing).max(told.map(missing));
        // What the collector dropped is missing by number too, so that the sum would count it twice.
        let datagrams = most(self.lost.datagrams, self.told.datagrams).max(self.dropped);
        End {
            window: Some(self.window),
            flows: Some(self.flows),
            late: Some(self.late),
            lost_flows: most(self.lost.flows, self.told.flows),
            lost_datagrams: datagrams,
            sampling: (self.sampling > 0).then_some(self.sampling),
            scaled: Some(scaled),
            cover: cover.filter(|_| self.from_anyone.is_some() && self.dropped.is_some()),
            open: self.from_anyone,
            state,
            ..End::default()
        }
    }
}
