//! nfdump's `-o csv`: a line of names, a line a flow, and a summary.
//!
//! 1.7.1 prints 48 columns with short names. Since 1.7.5 the columns can be chosen and have long names;
//! `csv-fast` has a fixed list of them. Times are local ones, so that TZ=UTC is needed for them to be
//! right. `opkt` and `obyt` are passed over: it depends on the exporter whether they tell of packets
//! that came back or of the same ones behind the router.

use super::{Dialect, Role, Roles, Tool, plan};

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

/// Columns of 1.7.1 up to the last that is read.
const USUAL: &str = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das,smk,\
    dmk,dtos,dir,nh,nhb,svln,dvln,ismc,odmc,idmc,osmc,mpls1,mpls2,mpls3,mpls4,mpls5,mpls6,mpls7,mpls8,\
    mpls9,mpls10,cl,sl,al,ra";

/// A line of names: of all that a flow needs, or of addresses or times of its own way at least.
pub(super) fn names(line: &[u8]) -> Option<Dialect> {
    if !line.first()?.is_ascii_alphabetic() || !line.contains(&b',') {
        return None;
    }
    let names = std::str::from_utf8(line).ok()?.split(',').map(|name| name.trim().to_owned());
    let (plan, missing) = plan(names, COLUMNS);
    let is_own = |(role, _): &(Role, _)| matches!(role, Role::Sip | Role::Dip | Role::Start);
    let is_known = missing.is_none() || plan.first()?.as_ref().is_some_and(is_own);
    is_known.then(|| Dialect::new(Tool::Nfdump, b',', (plan, missing)))
}

pub(super) fn usual() -> Roles {
    plan(USUAL.split(',').map(str::to_owned), COLUMNS).0
}

/// How many lines, from this one on, are about the flows and are none themselves.
pub(super) fn summary(line: &[u8]) -> Option<u32> {
    match line {
        b"Summary" => Some(3),
        b"No matching flows" | b"No matched flows" => Some(1),
        _ => None,
    }
}
