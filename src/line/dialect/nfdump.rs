//! nfdump's `-o csv`: a line of names, a line for each flow, and a summary.
//!
//! nfdump 1.7.1 prints 48 columns with short names. Since 1.7.5 the columns can be chosen and have
//! long names; `csv-fast` has a fixed list of them. nfdump prints local times, so they are right
//! only with TZ=UTC. `opkt` and `obyt` are passed over: depending on the exporter they count
//! packets of the reverse direction, or the same packets behind the router.

use super::columns::{Columns, Role};
use super::stream::Dialect;
use super::tool::Tool;

const COLUMNS: &[(&str, Role)] = &[
    ("ts", Role::Start),
    ("te", Role::End),
    ("td", Role::Duration),
    ("sa", Role::Sip),
    ("da", Role::Dip),
    ("sp", Role::Sport),
    ("dp", Role::Dport),
    ("pr", Role::Proto),
    ("flg", Role::Flags),
    ("ipkt", Role::Packets),
    ("ibyt", Role::Octets),
    ("in", Role::Sif),
    ("out", Role::Dif),
    ("ra", Role::Exporter),
    ("firstSeen", Role::Start),
    ("lastSeen", Role::End),
    ("duration", Role::Duration),
    ("srcAddr", Role::Sip),
    ("dstAddr", Role::Dip),
    ("srcPort", Role::Sport),
    ("dstPort", Role::Dport),
    ("proto", Role::Proto),
    ("flags", Role::Flags),
    ("packets", Role::Packets),
    ("bytes", Role::Octets),
    ("inPackets", Role::Packets),
    ("inBytes", Role::Octets),
    ("input", Role::Sif),
    ("output", Role::Dif),
    ("routerIP", Role::Exporter),
    ("icmpTYpe", Role::IcmpType),
    ("icmpCode", Role::IcmpCode),
];

/// Columns of nfdump 1.7.1, up to the last that is read.
const USUAL: &str = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das,smk,\
    dmk,dtos,dir,nh,nhb,svln,dvln,ismc,odmc,idmc,osmc,mpls1,mpls2,mpls3,mpls4,mpls5,mpls6,mpls7,mpls8,\
    mpls9,mpls10,cl,sl,al,ra";

/// Reads a line of names. It names all columns that a flow needs, or at least begins with an
/// address or a time in nfdump's own words.
pub(super) fn names(line: &[u8]) -> Option<Dialect> {
    if !line.first()?.is_ascii_alphabetic() || !line.contains(&b',') {
        return None;
    }
    let names = std::str::from_utf8(line).ok()?.split(',').map(|name| name.trim().to_owned());
    let columns = Columns::of(names, COLUMNS);
    let first = columns.known.first()?.map(|column| column.role);
    let is_known =
        columns.missing.is_none() || matches!(first, Some(Role::Sip | Role::Dip | Role::Start));
    is_known.then(|| Dialect::new(Tool::Nfdump, b',', columns))
}

pub(super) fn usual() -> Columns {
    Columns::of(USUAL.split(',').map(str::to_owned), COLUMNS)
}

/// Returns the number of lines, from this one on, that are a summary.
pub(super) fn summary(line: &[u8]) -> Option<u32> {
    match line {
        b"Summary" => Some(3),
        b"No matching flows" | b"No matched flows" => Some(1),
        _ => None,
    }
}
