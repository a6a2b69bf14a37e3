//! The output of the decoder.

use super::error::Error;
use super::stats::Lost;
use crate::flow::{Extra, Flow};

/// The output of decoding datagrams. The caller reuses it and decides when to clear it.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Flows, appended in the order in which their records stand in the datagrams.
    pub flows: Vec<Flow>,
    /// Further columns of each flow, if the decoder was told to keep them; else empty.
    pub extras: Vec<Extra>,
    /// Number of flows that came from data which had waited for its template.
    pub late: u64,
    /// Flows or datagrams that are missing, by the exporters' sequence numbers.
    pub lost: Lost,
    /// Problems, at most [`DecoderLimits::errors`](super::limits::DecoderLimits::errors) a datagram.
    /// [`Stats::faults`](super::stats::Stats::faults) counts all of them.
    pub errors: Vec<Error>,
}

impl Batch {
    /// Clears the batch and keeps its allocations.
    pub fn clear(&mut self) {
        self.flows.clear();
        self.extras.clear();
        self.late = 0;
        self.lost = Lost::default();
        self.errors.clear();
    }
}
