//! The plan in the dialect of a device. The text consists of addresses, numbers and fixed words, so no
//! finding can add a command.

use std::fmt;
use std::net::IpAddr;

use super::{BlockPlan, Reason};
use crate::finding::words;
use crate::time::Window;

/// The dialect of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Cisco IOS: members of `object-group network NFKIT` and `v6-network NFKIT6`, which an access list of
    /// the site refers to. nfkit never writes an access list, because one that holds only denials blocks
    /// everybody.
    Ios,
    /// nftables: sets in a table of nfkit's own, `inet nfkit`, for `nft -f`.
    Nftables,
}

/// A plan and the dialect to print it in.
#[derive(Clone, Copy, Debug)]
pub struct Commands<'a> {
    /// The dialect.
    pub device: Device,
    /// The hosts.
    pub plan: &'a BlockPlan,
    /// True to unblock the hosts instead of blocking them.
    pub unblock: bool,
}

/// Writes the commands, one a line, or nothing if there is no host. Commands that block are followed by the
/// commands that unblock, as comments.
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
        for (host, reason) in &self.plan.hosts {
            let Reason { window, kind, class, flows } = reason;
            let when = window.map_or_else(|| "-".to_owned(), Window::start_text);
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

/// The table and its sets. Adding one that exists changes nothing, and [`CHAINS`] empties the chains before
/// it fills them, all in one transaction, so the same text can be loaded any number of times.
const TABLE: [&str; 3] = [
    "add table inet nfkit",
    "add set inet nfkit blocked4 { type ipv4_addr; }",
    "add set inet nfkit blocked6 { type ipv6_addr; }",
];

/// The chains that drop packets from the hosts in the sets: routed packets, and packets to this machine.
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
            // nft fails the whole transaction if it deletes an element that does not exist.
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
    use proptest::prelude::*;

    use super::super::tests::{nets, plan, policy, source};
    use super::super::{Policy, Selection};
    use super::*;
    use crate::finding::tests::any_finding;
    use crate::finding::{Finding, Host, Role, Side};
    use crate::flow::Networks;

    fn text(device: Device, findings: &[Finding], unblock: bool) -> String {
        Commands { device, plan: &plan(policy(), findings), unblock }.to_string()
    }

    #[test]
    fn ios_gets_members_of_object_groups() {
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
    fn nftables_gets_elements_of_sets() {
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

    /// Returns true if a device may get this line, by rules that are independent of the code above.
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
        fn no_finding_adds_a_command(
            findings in proptest::collection::vec(any_finding(), 0..20), unblock: bool, ours: bool,
        ) {
            let mut findings = findings;
            if ours {
                for finding in &mut findings {
                    (finding.role, finding.side) = (Role::Source, Some(Side::Inside));
                    finding.class = format!("{:.32}", finding.class);
                }
            }
            let may_block = nets(&["0.0.0.0/1", "8000::/1"]);
            let policy = if unblock {
                Policy::unblock(may_block.clone())
            } else {
                Policy {
                    may_block: Networks::new(may_block.clone()),
                    never: Networks::new(nets(&["16.0.0.0/4"])),
                    unblock,
                }
            };
            let (may, never) = (policy.may_block.clone(), policy.never.clone());
            let mut selection = Selection::new(policy);
            findings.iter().for_each(|finding| selection.finding(finding, false));
            let plan = selection.plan(0);
            for host in plan.hosts.keys() {
                prop_assert!(may.contains(*host) && !never.contains(*host));
                let of_host = |f: &&Finding| f.host == Host::Address(*host) && f.role == Role::Source;
                let mut lines = findings.iter().filter(of_host);
                prop_assert!(lines.clone().any(|f| f.side == Some(Side::Inside)));
                prop_assert!(unblock || lines.all(|f| !f.marks.contains(&"forged".to_owned())));
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
