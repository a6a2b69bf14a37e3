//! The header of a datagram, as far as the times of its records are relative to it.

use std::net::IpAddr;

use super::element::Unit;
use crate::time::Timestamp;

const NANOS: u64 = 1_000_000_000;
pub(super) const NANOS_PER_MILLI: i64 = 1_000_000;

/// Seconds from NTP's epoch, 1900, to Unix's.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// Milliseconds that a relative time may lie after the export: some exporters read the clock twice,
/// others round the export time to whole seconds. A later time is an error of the exporter.
pub(super) const AHEAD: i64 = 3_600_000;

/// Start and end of a flow, where known.
pub(super) type Span = (Option<Timestamp>, Option<Timestamp>);

/// The header of a datagram, which the values of its records are relative to. Pending sets keep
/// theirs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    /// Source address of the datagram.
    pub exporter: IpAddr,
    /// Export time by the header.
    pub export: Timestamp,
    /// sysUpTime by the header, in milliseconds at the export time. IPFIX has none.
    pub uptime: Option<u32>,
}

/// The units of a template's time fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TimeUnits {
    pub start: Unit,
    pub end: Unit,
    pub duration: Unit,
    pub reverse_start: Unit,
    pub reverse_end: Unit,
    pub reverse_duration: Unit,
}

impl Context {
    /// Returns the time at which sysUpTime was `millis`, if it is `uptime` at the export. sysUpTime
    /// has 32 bits and wraps after 49.7 days: of all such times this is the one nearest to the
    /// export, up to 24.8 days before it. `None` if it is more than [`AHEAD`] after the export.
    pub fn at_uptime(&self, millis: u32, uptime: u32) -> Option<Timestamp> {
        let ahead = i64::from(millis.wrapping_sub(uptime) as i32);
        if ahead > AHEAD {
            return None;
        }
        let nanos = self.export.nanos().checked_add_signed(ahead * NANOS_PER_MILLI)?;
        Some(Timestamp::from_nanos(nanos))
    }

    /// Returns the time at which sysUpTime was `millis`, by the sysUpTime in the header or else by
    /// the time at which the exporter started. A start after the export shows that the export time
    /// is wrong; the time is then counted from the start.
    fn at_header_or_boot(&self, millis: u64, boot: Option<Timestamp>) -> Option<Timestamp> {
        let short = u32::try_from(millis).ok()?;
        if let Some(uptime) = self.uptime {
            return self.at_uptime(short, uptime);
        }
        let boot = boot?;
        match self.export.nanos().checked_sub(boot.nanos()) {
            // The remainder modulo 2^32 is the value of a 32-bit sysUpTime.
            Some(elapsed) => self.at_uptime(short, (elapsed / 1_000_000) as u32),
            None => Some(boot.offset(i64::from(short) * NANOS_PER_MILLI)),
        }
    }

    /// Returns start and end. If both are zero in sysUpTime, neither is known. A start after the end
    /// is dropped.
    #[inline]
    pub fn span(
        &self,
        start: Option<(u64, Unit)>,
        end: Option<(u64, Unit)>,
        boot: Option<Timestamp>,
    ) -> Span {
        if let (Some((0, Unit::Uptime)), Some((0, Unit::Uptime))) = (start, end) {
            return (None, None);
        }
        let time = |value: Option<(u64, Unit)>| {
            let (n, unit) = value?;
            self.time(n, unit, boot)
        };
        match (time(start), time(end)) {
            (Some(first), Some(last)) if first > last => (None, Some(last)),
            span => span,
        }
    }

    fn time(&self, value: u64, unit: Unit, boot: Option<Timestamp>) -> Option<Timestamp> {
        let nanos = match unit {
            Unit::Seconds => value.checked_mul(NANOS)?,
            Unit::Millis => value.checked_mul(1_000_000)?,
            Unit::Micros => value.checked_mul(1_000)?,
            Unit::NtpMicros => ntp(value & !0x7ff, 1_000_000)?,
            Unit::NtpNanos => ntp(value, NANOS)?,
            Unit::AgoMicros => self.export.nanos().checked_sub(value.checked_mul(1_000)?)?,
            Unit::Uptime => return self.at_header_or_boot(value, boot),
            Unit::Plain => return None,
        };
        (value != 0 || unit == Unit::AgoMicros).then_some(Timestamp::from_nanos(nanos))
    }
}

/// Converts an NTP timestamp (RFC 5905 section 6) to nanoseconds since Unix's epoch, rounded to the
/// nearest of `per_second` parts of a second. Seconds before 1970 belong to NTP's next era, which
/// begins in 2036.
fn ntp(value: u64, per_second: u64) -> Option<u64> {
    let (secs, fraction) = (value >> 32, value & 0xffff_ffff);
    let secs = match secs.checked_sub(NTP_TO_UNIX) {
        Some(secs) => secs,
        None => secs + (1 << 32) - NTP_TO_UNIX,
    };
    let parts = (fraction * per_second + (1 << 31)) >> 32;
    secs.checked_mul(NANOS)?.checked_add(parts * (NANOS / per_second))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns the context of an export at 1,000,000,000 s, 5,000 ms after the boot.
    pub fn context() -> Context {
        Context {
            exporter: "192.0.2.1".parse().unwrap(),
            export: Timestamp::from_secs(1_000_000_000),
            uptime: Some(5_000),
        }
    }

    fn time(value: u64, unit: Unit) -> Option<String> {
        context().time(value, unit, None).map(|time| time.to_string())
    }

    fn text(time: &str) -> Option<String> {
        Some(time.to_owned())
    }

    #[test]
    fn each_unit_gives_a_time() {
        assert_eq!(time(994_025_700, Unit::Seconds), text("994025700.000"));
        assert_eq!(time(994_025_700_125, Unit::Millis), text("994025700.125"));
        assert_eq!(time(1_500_001, Unit::AgoMicros), text("999999998.499999"));
        assert_eq!(time(4_000, Unit::Uptime), text("999999999.000"));
        // 2001-07-01T22:15:00.25Z in NTP seconds; then with bits that NtpMicros ignores.
        let ntp = ((994_025_700 + NTP_TO_UNIX) << 32) | 0x4000_0000;
        assert_eq!(time(ntp, Unit::NtpNanos), text("994025700.250"));
        assert_eq!(time(ntp | 0x7ff, Unit::NtpMicros), text("994025700.250"));
        assert_eq!(time(ntp | 4_295, Unit::NtpNanos), text("994025700.250001"));
        // NTP's second era.
        assert_eq!(time(1 << 32, Unit::NtpNanos), text("2085978497.000"));
    }

    #[test]
    fn sys_up_time_wraps() {
        // 1,000 ms before the wrap and 5,000 after it.
        assert_eq!(time(u64::from(u32::MAX - 999), Unit::Uptime), text("999999994.000"));
        // A second after the export means a clock that was read twice; two hours are an error.
        assert_eq!(time(6_000, Unit::Uptime), text("1000000001.000"));
        assert_eq!(time(5_000 + 7_200_000, Unit::Uptime), None);
    }

    #[test]
    fn without_sys_up_time_in_the_header_the_boot_is_used() {
        let context = Context { uptime: None, ..context() };
        let time = |boot| Some(context.time(4_000, Unit::Uptime, boot)?.to_string());
        assert_eq!(time(None), None);
        assert_eq!(time(Timestamp::parse(b"999999995")), text("999999999.000"));
        // Up for longer than 32 bits of milliseconds can hold.
        assert_eq!(time(Timestamp::parse(b"995705027.704")), text("999999999.000"));
        assert_eq!(time(Timestamp::parse(b"1585735165.729")), text("1585735169.729"));
    }

    #[test]
    fn values_out_of_range_give_no_time() {
        for unit in [Unit::Seconds, Unit::Millis, Unit::NtpMicros, Unit::NtpNanos] {
            assert_eq!(time(0, unit), None);
        }
        assert_eq!(time(u64::MAX, Unit::Seconds), None);
        assert_eq!(time(u64::MAX, Unit::Millis), None);
        assert_eq!(time(u64::MAX, Unit::AgoMicros), None);
        assert_eq!(time(1 << 32, Unit::Uptime), None);
    }
}
