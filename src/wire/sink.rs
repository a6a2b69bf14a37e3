//! The place where the records of a data set go.

use super::batch::Batch;
use super::context::Context;
use super::limits::DecoderLimits;
use super::options::Options;
use super::stats::Stats;

/// Columns that the caller of the decoder wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct DecodeOptions {
    /// Fill [`Batch::extras`].
    pub extras: bool,
    /// Read start and end of flows.
    pub times: bool,
}

impl Default for DecodeOptions {
    fn default() -> DecodeOptions {
        DecodeOptions { extras: false, times: true }
    }
}

/// The inputs and outputs of reading the records of one data set.
#[derive(Debug)]
pub(super) struct RecordSink<'a> {
    pub context: &'a Context,
    pub want: DecodeOptions,
    /// Number of the domain.
    pub domain: u32,
    pub limits: &'a DecoderLimits,
    /// Sampling and start time of the domain, which options data records change.
    pub options: &'a mut Options,
    pub stats: &'a mut Stats,
    pub out: &'a mut Batch,
}
