//! stub
use std::net::IpAddr;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub sip: IpAddr,
    pub dip: IpAddr,
    pub proto: u8,
    pub sport: u16,
    pub dport: u16,
    pub flags: Option<u16>,
    pub octets: u64,
    pub tos: Option<u8>,
    pub vlan: Option<u16>,
    pub srcmac: Option<[u8; 6]>,
    pub dstmac: Option<[u8; 6]>,
}
pub(super) fn ethernet(_octets: &[u8], _len: Option<u32>) -> Option<Packet> {
    None
}
pub(super) fn ip(_octets: &[u8]) -> Option<Packet> {
    None
}
