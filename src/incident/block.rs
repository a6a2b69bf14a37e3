//! Commands that stop a host at a router or a firewall, and those that let it go again.
//!
//! Who is blocked is decided here and nowhere else: one machine at a time, ours, that sent the
//! flagged traffic itself, inside the networks that somebody allowed to be blocked. What a device
//! reads is made of addresses, numbers and fixed words alone, so no finding can add a command.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::words;
use crate::finding::{Finding, Host, Role, Side};
use crate::flow::Networks;
use crate::time::Window;

/// The dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Cisco IOS: members of `object-group network NFKIT` and `v6-network NFKIT6`, which an access
    /// list of the site's names. Never a list of its own: one that ends in nothing but denials
    /// stops everybody.
    Ios,
    /// nftables: sets in a table of our own, `inet nfkit`, for `nft -f`.
    Nftables,
}

/// What may be blocked at all.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Only hosts in these networks.
    pub may_block: Networks,
    /// None of these: routers, name servers, the admins' own machines.
    pub never: Networks,
}

/// Why a host is not blocked; the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// It is to be kept whatever it does.
    #[error("it is in --never")]
    Never,
    /// The address may be somebody else's.
    #[error("the finding is marked forged: the address may be an innocent one's")]
    Forged,
    /// A network is many machines.
    #[error("it is a network: only single hosts are blocked")]
    Prefix,
    /// Multicast, loopback and the like: no machine has this address.
    #[error("it is no address of one machine")]
    NoHost,
    /// Nobody allowed it.
    #[error("it is not in --may-block")]
    NotAllowed,
    /// Nobody said what is inside.
    #[error("the finding does not say that it is inside: give the detector --inside")]
    NoSide,
    /// Somebody else's machine: the router next to it is not ours.
    #[error("it is outside")]
    Outside,
}

/// Whom to block, with the largest finding about each, and who was refused.
#[derive(Clone, Debug, Default)]
pub struct Plan<'a> {
    /// By address.
    pub hosts: BTreeMap<IpAddr, &'a Finding>,
    /// By the gravity of the reason, then by host.
    pub refused: Vec<(Refusal, Host)>,
}

impl Policy {
    /// Whether the host of a finding may be blocked. `None` if the finding is about a victim, and
    /// the question does not come up.
    pub fn judge(&self, finding: &Finding) -> Option<Result<IpAddr, Refusal>> {
        if finding.role != Role::Source {
            return None;
        }
        Some(self.host(finding))
    }

    fn host(&self, finding: &Finding) -> Result<IpAddr, Refusal> {
        let Host::Address(host) = finding.host else { return Err(Refusal::Prefix) };
        if !is_machine(host) {
            return Err(Refusal::NoHost);
        }
        match finding.side {
            Some(Side::Inside) => {}
            Some(Side::Outside) => return Err(Refusal::Outside),
            None => return Err(Refusal::NoSide),
        }
        if self.never.contains(host) {
            return Err(Refusal::Never);
        }
        if finding.marks.iter().any(|mark| mark == "forged") {
            return Err(Refusal::Forged);
        }
        match self.may_block.contains(host) {
            true => Ok(host),
            false => Err(Refusal::NotAllowed),
        }
    }

    /// Judges all findings. A host that is blocked for one of them is not among the refused, but a
    /// single finding that is marked forged keeps its host from being blocked for any other: only
    /// the detector that could tell has marked its line.
    pub fn plan<'a>(&self, findings: &[&'a Finding]) -> Plan<'a> {
        let mut hosts: BTreeMap<IpAddr, &Finding> = BTreeMap::new();
        let mut refused: BTreeMap<Host, Refusal> = BTreeMap::new();
        for &finding in findings {
            match self.judge(finding) {
                None => {}
                Some(Ok(host)) => {
                    let known = hosts.entry(host).or_insert(finding);
                    if finding.flows > known.flows {
                        *known = finding;
                    }
                }
                Some(Err(why)) => {
                    let known = refused.entry(finding.host).or_insert(why);
                    *known = why.min(*known);
                }
            }
        }
        let is_forged = |host: IpAddr| refused.get(&Host::Address(host)) == Some(&Refusal::Forged);
        hosts.retain(|&host, _| !is_forged(host));
        let is_blocked = |host| matches!(host, Host::Address(host) if hosts.contains_key(&host));
        let refused = refused.into_iter().filter(|&(host, _)| !is_blocked(host));
        let mut refused: Vec<_> = refused.map(|(host, why)| (why, host)).collect();
        refused.sort_unstable();
        Plan { hosts, refused }
    }
}

/// Whether one machine on a routed network can have this address as its own.
fn is_machine(address: IpAddr) -> bool {
    match address {
        // 0/8 "this network", 127/8, 169.254/16, and 224/4 and above: RFC 6890, RFC 5771.
        IpAddr::V4(a) => match a.octets() {
            [0 | 127 | 224..=255, ..] | [169, 254, ..] => false,
            [..] => true,
        },
        // ::/8 holds the unspecified and loopback addresses and every form of embedded IPv4
        // (RFC 4291 section 2.5.5); fe80::/10 is link-local and ff00::/8 multicast.
        IpAddr::V6(a) => match a.octets() {
            [0 | 0xff, ..] | [0xfe, 0x80..=0xbf, ..] => false,
            [..] => true,
        },
    }
}

/// Prints a plan in the words of a device.
#[derive(Clone, Copy, Debug)]
pub struct Commands<'a> {
    /// The dialect.
    pub device: Device,
    /// The plan.
    pub plan: &'a Plan<'a>,
    /// Let the hosts go instead of stopping them.
    pub unblock: bool,
}

/// The commands, in lines; nothing at all if there is no host. Commands that block carry those that
/// unblock as comments.
impl fmt::Display for Commands<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.plan.hosts.is_empty() {
            return Ok(());
        }
        let (mark, head) = match self.device {
            Device::Ios => ("!", "paste in configuration mode"),
            Device::Nftables => ("#", "load with nft -f"),
        };
        let word = if self.unblock { "unblock" } else { "block" };
        let hosts = words::of(self.plan.hosts.len() as u64, "host");
        writeln!(f, "{mark} nfkit: {word} {hosts}; {head}")?;
        for (host, finding) in &self.plan.hosts {
            let Finding { kind, class, flows, .. } = finding;
            let when = finding.window.map_or_else(|| "-".to_owned(), Window::start_text);
            writeln!(f, "{mark} {host}: {kind} {class}, {when}, {flows} flows")?;
        }
        for line in self.lines(self.unblock) {
            writeln!(f, "{line}")?;
        }
        if !self.unblock {
            writeln!(f, "{mark} To unblock:")?;
            let lines = match self.device {
                Device::Ios => self.lines(true),
                Device::Nftables => {
                    let elements = self.plan.hosts.keys().map(|&host| element(host));
                    elements.map(|element| format!("nft delete {element}")).collect()
                }
            };
            for line in lines {
                writeln!(f, "{mark} {line}")?;
            }
        }
        Ok(())
    }
}

impl Commands<'_> {
    fn lines(&self, unblock: bool) -> Vec<String> {
        let hosts: Vec<IpAddr> = self.plan.hosts.keys().copied().collect();
        match self.device {
            Device::Ios => ios(&hosts, unblock),
            Device::Nftables => nftables(&hosts, unblock),
        }
    }
}

fn ios(hosts: &[IpAddr], unblock: bool) -> Vec<String> {
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = hosts.iter().partition(|host| host.is_ipv4());
    let no = if unblock { "no " } else { "" };
    let mut lines = Vec::new();
    for (name, hosts) in [("network NFKIT", v4), ("v6-network NFKIT6", v6)] {
        if !hosts.is_empty() {
            lines.push(format!("object-group {name}"));
            lines.extend(hosts.iter().map(|host| format!(" {no}host {host}")));
            lines.push("exit".to_owned());
        }
    }
    lines
}

/// Adding what is there already changes nothing, and the chains are emptied before they are filled,
/// all in one transaction: the same text can be loaded any number of times.
const TABLE: [&str; 3] = [
    "add table inet nfkit",
    "add set inet nfkit blocked4 { type ipv4_addr; }",
    "add set inet nfkit blocked6 { type ipv6_addr; }",
];

/// What makes the sets stop packets: those that are routed, and those to this machine itself.
const CHAINS: [&str; 8] = [
    "add chain inet nfkit forward { type filter hook forward priority -10; policy accept; }",
    "add chain inet nfkit input { type filter hook input priority -10; policy accept; }",
    "flush chain inet nfkit forward",
    "flush chain inet nfkit input",
    "add rule inet nfkit forward ip saddr @blocked4 counter drop",
    "add rule inet nfkit forward ip6 saddr @blocked6 counter drop",
    "add rule inet nfkit input ip saddr @blocked4 counter drop",
    "add rule inet nfkit input ip6 saddr @blocked6 counter drop",
];

fn nftables(hosts: &[IpAddr], unblock: bool) -> Vec<String> {
    let mut lines: Vec<String> = TABLE.into_iter().map(str::to_owned).collect();
    if !unblock {
        lines.extend(CHAINS.into_iter().map(str::to_owned));
    }
    for &host in hosts {
        lines.push(format!("add {}", element(host)));
        if unblock {
            // Added first, because to delete what is not there fails the whole transaction.
            lines.push(format!("delete {}", element(host)));
        }
    }
    lines
}

fn element(host: IpAddr) -> String {
    let set = if host.is_ipv4() { "blocked4" } else { "blocked6" };
    format!("element inet nfkit {set} {{ {host} }}")
}

#[cfg(test)]
mod tests {
    use super::super::docket::tests::finding;
    use super::*;
    use crate::finding::Kind;
    use crate::finding::tests::any_finding;
    use ipnet::IpNet;
    use proptest::prelude::*;

    fn nets(list: &[&str]) -> Networks {
        Networks::new(list.iter().map(|net| net.parse::<IpNet>().unwrap()))
    }

    fn policy() -> Policy {
        Policy {
            may_block: nets(&["140.119.0.0/16", "2001:db8::/32"]),
            never: nets(&["140.119.1.1/32"]),
        }
    }

    fn source(host: &str) -> Finding {
        let host = Host::Address(host.parse().unwrap());
        Finding { host, ..finding([0; 4], Kind::Port, Role::Source) }
    }

    fn text(device: Device, findings: &[Finding], unblock: bool) -> String {
        let findings: Vec<_> = findings.iter().collect();
        let plan = policy().plan(&findings);
        Commands { device, plan: &plan, unblock }.to_string()
    }

    #[test]
    fn every_condition_is_asked() {
        let judge = |finding: &Finding| policy().judge(finding);
        let good = source("140.119.44.91");
        assert_eq!(judge(&good), Some(Ok([140, 119, 44, 91].into())));
        assert_eq!(judge(&Finding { role: Role::Target, ..good.clone() }), None);
        let marks = |mark: &str| Finding { marks: vec![mark.to_owned()], ..good.clone() };
        assert_eq!(judge(&marks("sampled")), Some(Ok([140, 119, 44, 91].into())));
        let prefix = Host::Prefix("140.119.44.0/24".parse().unwrap());
        let all = policy();
        let all = Policy { may_block: nets(&["0.0.0.0/0", "::/0"]), ..all };
        for (finding, why) in [
            (source("140.119.1.1"), Refusal::Never),
            (marks("forged"), Refusal::Forged),
            (Finding { host: prefix, ..good.clone() }, Refusal::Prefix),
            (source("192.0.2.1"), Refusal::NotAllowed),
            (Finding { side: None, ..good.clone() }, Refusal::NoSide),
            (Finding { side: Some(Side::Outside), ..good.clone() }, Refusal::Outside),
        ] {
            assert_eq!(judge(&finding), Some(Err(why)), "{finding:?}");
        }
        for host in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "169.254.1.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:140.119.44.91",
            "::140.119.44.91",
            "64:ff9b::8c77:2c5b",
            "fe80::1",
            "febf::1",
            "ff02::1",
        ] {
            assert_eq!(all.judge(&source(host)), Some(Err(Refusal::NoHost)), "{host}");
        }
        for host in
            ["1.0.0.1", "126.1.1.1", "169.253.1.1", "223.255.255.1", "2001:db8::1", "fec0::1"]
        {
            assert!(matches!(all.judge(&source(host)), Some(Ok(_))), "{host}");
        }
    }

    #[test]
    fn a_host_is_blocked_once_and_refused_once() {
        let good = source("140.119.44.91");
        let large = Finding { flows: 9000, port: Some(22), ..good.clone() };
        let outside = Finding { side: Some(Side::Outside), ..source("192.0.2.1") };
        let router = source("140.119.1.1");
        let all = [&good, &large, &outside, &outside, &router];
        let plan = policy().plan(&all);
        assert_eq!(plan.hosts.values().map(|f| f.flows).collect::<Vec<_>>(), [9000]);
        let refused: Vec<_> =
            plan.refused.iter().map(|(why, host)| (*why, host.text(false))).collect();
        assert_eq!(
            refused,
            [(Refusal::Never, "140.119.1.1".into()), (Refusal::Outside, "192.0.2.1".into())]
        );
        // One forged line about a host casts doubt on all of its lines.
        let forged = Finding { marks: vec!["forged".into()], port: Some(81), ..good.clone() };
        let plan = policy().plan(&[&good, &forged, &large]);
        assert!(plan.hosts.is_empty());
        assert_eq!(plan.refused, [(Refusal::Forged, good.host)]);
        // That others flood it with forged sources says nothing of what it sends itself.
        let victim = Finding { role: Role::Target, ..forged };
        assert_eq!(policy().plan(&[&good, &victim]).hosts.len(), 1);
        assert!(policy().plan(&[&victim]).hosts.is_empty());
    }

    #[test]
    fn the_words_of_ios() {
        let hosts = [source("140.119.44.91"), source("140.119.2.3"), source("2001:db8::7")];
        assert_eq!(
            text(Device::Ios, &hosts, false),
            "! nfkit: block 3 hosts; paste in configuration mode\n\
             ! 140.119.2.3: port dos, 2001-08-17T17:20:00Z, 2000 flows\n\
             ! 140.119.44.91: port dos, 2001-08-17T17:20:00Z, 2000 flows\n\
             ! 2001:db8::7: port dos, 2001-08-17T17:20:00Z, 2000 flows\n\
             object-group network NFKIT\n host 140.119.2.3\n host 140.119.44.91\nexit\n\
             object-group v6-network NFKIT6\n host 2001:db8::7\nexit\n\
             ! To unblock:\n\
             ! object-group network NFKIT\n!  no host 140.119.2.3\n!  no host 140.119.44.91\n! exit\n\
             ! object-group v6-network NFKIT6\n!  no host 2001:db8::7\n! exit\n"
        );
        assert!(
            text(Device::Ios, &hosts[..1], true)
                .ends_with("object-group network NFKIT\n no host 140.119.44.91\nexit\n")
        );
        assert_eq!(text(Device::Ios, &[source("192.0.2.1")], false), "");
    }

    #[test]
    fn the_words_of_nftables() {
        let block =
            text(Device::Nftables, &[source("140.119.44.91"), source("2001:db8::7")], false);
        assert!(block.contains("\nadd element inet nfkit blocked4 { 140.119.44.91 }\n"), "{block}");
        assert!(block.contains("\nadd element inet nfkit blocked6 { 2001:db8::7 }\n"), "{block}");
        assert!(
            block.contains("\n# nft delete element inet nfkit blocked4 { 140.119.44.91 }\n"),
            "{block}"
        );
        let unblock = text(Device::Nftables, &[source("140.119.44.91")], true);
        assert!(!unblock.contains("rule") && !unblock.contains("# To"), "{unblock}");
        assert!(unblock.ends_with("\ndelete element inet nfkit blocked4 { 140.119.44.91 }\n"));
    }

    /// Whether a line is one of those that a device may be given, by rules that know nothing of how
    /// it was made.
    fn allowed(device: Device, line: &str) -> bool {
        let host = |text: &str, v4: bool| {
            text.parse::<IpAddr>().is_ok_and(|a| a.is_ipv4() == v4 && a.to_string() == text)
        };
        let either = |text: &str| host(text, true) || host(text, false);
        let is_comment = |rest: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || " :-,;._{}".contains(c);
            rest.starts_with(' ') && rest.len() < 200 && rest.chars().all(plain)
        };
        match device {
            Device::Ios => match line.strip_prefix('!') {
                Some(rest) => is_comment(rest),
                None => {
                    let member = line.strip_prefix(" no").unwrap_or(line).strip_prefix(" host ");
                    member.is_some_and(either)
                        || matches!(line, "exit" | "object-group network NFKIT")
                        || line == "object-group v6-network NFKIT6"
                }
            },
            Device::Nftables => match line.strip_prefix('#') {
                Some(rest) => is_comment(rest),
                None => {
                    let rest = line.strip_prefix("add ").or(line.strip_prefix("delete "));
                    let element = rest.and_then(|rest| rest.strip_prefix("element inet nfkit "));
                    let member = |set: &str, v4: bool| {
                        let inner = element.and_then(|e| e.strip_prefix(set)?.strip_suffix(" }"));
                        inner.is_some_and(|inner| host(inner, v4))
                    };
                    member("blocked4 { ", true)
                        || member("blocked6 { ", false)
                        || TABLE.contains(&line)
                        || CHAINS.contains(&line)
                }
            },
        }
    }

    proptest! {
        #[test]
        fn no_finding_makes_another_command(
            findings in proptest::collection::vec(any_finding(), 0..20), unblock: bool, ours: bool,
        ) {
            let mut findings = findings;
            if ours {
                for finding in &mut findings {
                    (finding.role, finding.side) = (Role::Source, Some(Side::Inside));
                    finding.class = format!("{:.32}", finding.class);
                }
            }
            let policy = Policy {
                may_block: nets(&["0.0.0.0/1", "8000::/1"]), never: nets(&["16.0.0.0/4"]),
            };
            let list: Vec<_> = findings.iter().collect();
            let plan = policy.plan(&list);
            for host in plan.hosts.keys() {
                prop_assert!(policy.may_block.contains(*host) && !policy.never.contains(*host));
                prop_assert!(findings.iter().any(|f| f.host == Host::Address(*host)
                    && f.role == Role::Source
                    && f.side == Some(Side::Inside)
                    && !f.marks.contains(&"forged".to_owned())));
            }
            for device in [Device::Ios, Device::Nftables] {
                let text = Commands { device, plan: &plan, unblock }.to_string();
                prop_assert_eq!(text.is_empty(), plan.hosts.is_empty());
                for line in text.split_terminator('\n') {
                    prop_assert!(allowed(device, line), "{:?}", line);
                }
                for host in plan.hosts.keys() {
                    let (member, element) = (format!("host {host}\n"), format!("{{ {host} }}\n"));
                    prop_assert!(text.contains(&member) || text.contains(&element));
                }
            }
        }
    }
}
