//! The hosts of this site that are never blocked: those that the configuration names, and what this machine needs
//! to see and to be reached.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, anyhow};
use ipnet::IpNet;

use crate::cli::{Config, Io, Nets};
use crate::contacts::{NeverList, NeverReason};
use crate::tool::nfcap::{self, COLLECT};
use crate::tool::site::SITE;

/// The directory of the kernel's tables of routes.
const PROC_NET: &str = "/proc/net";

/// The most bytes that are read of a table of routes. A router with all routes of the Internet has more; the
/// default routes come first.
const MAX_TABLE: u64 = 16 << 20;

/// The flag of a route that leads to a gateway (RTF_GATEWAY).
const RTF_GATEWAY: u32 = 2;

/// The longest prefix of a default route. OpenVPN and others set two routes of /1, and 2000::/3 for IPv6, which
/// come before the default route and leave it as it is.
const LONGEST_DEFAULT: (u32, u8) = (1, 3);

/// Returns the hosts that are never blocked: those of `more` and of `[site] never`, the addresses that `[collect] bind` names, the
/// exporters of `[collect] allow`, the addresses of all interfaces and the default gateways of this machine.
/// A machine without a default gateway is a detail that `--verbose` shows.
///
/// # Errors
/// Fails if a file of networks cannot be read, or if the system does not tell the addresses of the interfaces:
/// without them the list would not protect this machine.
pub(super) fn never_list(more: Vec<IpNet>, io: &mut Io) -> anyhow::Result<NeverList> {
    let mut entries = configured(&io.config)?;
    entries.extend(more.into_iter().map(|net| (net, NeverReason::Listed)));
    let own = own_addresses().context("the addresses of this machine's interfaces")?;
    entries.extend(own.into_iter().map(|own| (own.into(), NeverReason::OwnInterface)));
    let routes = DefaultRoutes::read(Path::new(PROC_NET));
    if let Some(fault) = routes.fault() {
        io.report.detail(fault);
    }
    let gateways = routes.gateways.into_iter();
    entries.extend(gateways.map(|gateway| (gateway.into(), NeverReason::Gateway)));
    Ok(NeverList::new(entries))
}

/// Returns the networks of `[collect] allow` that are wider than /24, or than /64 for IPv6. None of their hosts is
/// ever blocked.
///
/// # Errors
/// Fails if the file of exporters cannot be read.
pub fn wide_exporters(config: &Config) -> anyhow::Result<Vec<IpNet>> {
    Ok(NeverList::new(exporters(config)?).wide().collect())
}

/// Returns the sentence by which a command tells a network of [`wide_exporters`].
pub fn wide_exporter_text(net: IpNet) -> String {
    format!(
        "[collect] allow has the network {net}, and no host in it is ever isolated; name the exporters alone"
    )
}

/// Returns the entries that the configuration gives.
fn configured(config: &Config) -> anyhow::Result<Vec<(IpNet, NeverReason)>> {
    let mut entries = exporters(config)?;
    if let Some(setting) = config.get(&SITE, "never") {
        let nets = setting.text().parse::<Nets>().map_err(|error| anyhow!(error));
        let nets = nets.and_then(|nets| nets.load()).with_context(|| setting.place.clone())?;
        entries.extend(nets.into_iter().map(|net| (net, NeverReason::Listed)));
    }
    if let Some(setting) = config.get(&COLLECT, "bind") {
        for word in &setting.words {
            let address: IpAddr = word.parse().with_context(|| setting.place.clone())?;
            // The unspecified address stands for those of all interfaces.
            if !address.is_unspecified() {
                entries.push((address.into(), NeverReason::Collector));
            }
        }
    }
    Ok(entries)
}

/// Returns the entries of the exporters, read as nfcap reads them.
fn exporters(config: &Config) -> anyhow::Result<Vec<(IpNet, NeverReason)>> {
    let Some(setting) = config.get(&COLLECT, "allow") else { return Ok(Vec::new()) };
    let nets = nfcap::exporters(&setting.text()).with_context(|| setting.place.clone())?;
    Ok(nets.into_iter().map(|net| (net, NeverReason::Exporter)).collect())
}

/// Returns the addresses of all interfaces of this machine.
fn own_addresses() -> nix::Result<BTreeSet<IpAddr>> {
    let of_interfaces = nix::ifaddrs::getifaddrs()?.filter_map(|interface| interface.address);
    let addresses = of_interfaces.filter_map(|address| {
        let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
        v4.or_else(|| Some(address.as_sockaddr_in6()?.ip().into()))
    });
    Ok(addresses.collect())
}

/// A function that returns the gateway of a line of a table, if the line is a default route.
type ParseGateway = fn(&str) -> Option<IpAddr>;

/// The default routes of this machine.
#[derive(Debug, Default, PartialEq, Eq)]
struct DefaultRoutes {
    gateways: BTreeSet<IpAddr>,
    /// The tables that could not be read whole, each with the reason.
    faults: Vec<String>,
}

impl DefaultRoutes {
    /// Reads the tables `route` and `ipv6_route` of a directory. They show the first gateway of an IPv4 route
    /// with several, and only the main table of IPv4.
    fn read(dir: &Path) -> DefaultRoutes {
        let mut routes = DefaultRoutes::default();
        let tables: [(_, ParseGateway); 2] =
            [("route", ipv4_gateway), ("ipv6_route", ipv6_gateway)];
        for (name, gateway) in tables {
            let path = dir.join(name);
            match read_table(&path) {
                Ok((text, is_whole)) => {
                    routes.gateways.extend(text.lines().filter_map(gateway));
                    if !is_whole {
                        routes.faults.push(format!(
                            "{}: more than {} MiB, the rest was not read",
                            path.display(),
                            MAX_TABLE >> 20
                        ));
                    }
                }
                // A machine without IPv6 has no such table.
                Err(error) if name == "ipv6_route" && error.kind() == ErrorKind::NotFound => {}
                Err(error) => routes.faults.push(format!("{}: {error}", path.display())),
            }
        }
        routes
    }

    /// Returns a warning if a table could not be read, or if there is no gateway.
    fn fault(&self) -> Option<String> {
        let missing = self.gateways.is_empty().then(|| "no default gateway is known".to_owned());
        let faults: Vec<_> = self.faults.iter().cloned().chain(missing).collect();
        let advice = "name the routers in [site] never, or they may be blocked";
        (!faults.is_empty()).then(|| format!("{}; {advice}", faults.join("; ")))
    }
}

/// Reads at most [`MAX_TABLE`] bytes of a file. Returns its text, and true if that is all of it.
fn read_table(path: &Path) -> std::io::Result<(String, bool)> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_TABLE + 1).read_to_end(&mut bytes)?;
    let is_whole = bytes.len() as u64 <= MAX_TABLE;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), is_whole))
}

/// Returns the gateway of a line of `/proc/net/route`, if it is a default route: the columns Iface, Destination,
/// Gateway, Flags, RefCnt, Use, Metric, Mask and others. Addresses are numbers in the byte order of the machine.
fn ipv4_gateway(line: &str) -> Option<IpAddr> {
    let columns: Vec<_> = line.split_ascii_whitespace().take(8).collect();
    let [_, _, gateway, flags, _, _, _, mask] = columns.as_slice() else { return None };
    let (gateway, mask) = (hex(gateway, 8)?, hex(mask, 8)?);
    let is_default = mask.count_ones() <= LONGEST_DEFAULT.0 && hex(flags, 4)? & RTF_GATEWAY != 0;
    (is_default && gateway != 0).then(|| gateway.to_ne_bytes().into())
}

/// Returns the gateway of a line of `/proc/net/ipv6_route`, if it is a default route: the columns destination, its
/// prefix length, source, its prefix length, next hop, metric, two counts, flags and interface.
fn ipv6_gateway(line: &str) -> Option<IpAddr> {
    let columns: Vec<_> = line.split_ascii_whitespace().take(9).collect();
    let [_, length, _, _, hop, _, _, _, flags] = columns.as_slice() else { return None };
    let is_number = hop.len() == 32 && hop.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hop = is_number.then(|| u128::from_str_radix(hop, 16).ok())??;
    let is_default =
        hex(length, 2)? <= LONGEST_DEFAULT.1.into() && hex(flags, 8)? & RTF_GATEWAY != 0;
    (is_default && hop != 0).then(|| hop.to_be_bytes().into())
}

/// Parses a hexadecimal number of exactly so many digits, at most eight.
fn hex(text: &str, digits: usize) -> Option<u32> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| u32::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Out, Report};
    use NeverReason::{Collector, Exporter, Listed, OwnInterface};

    /// A machine with two default routes, one of them through a VPN.
    const ROUTE: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                        \n\
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0                                           \n\
tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0                                              \n\
tun0\t00000080\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0                                              \n\
eth1\t00003A0A\t0900A8C0\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0                                              \n\
ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0                                              \n\
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0                                              \n";

    const IPV6_ROUTE: &str = "\
20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 \
00000100 00000001 00000000 00000001     eth0\n\
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 \
00000400 00000003 00000000 00450003     eth0\n\
00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000000000000000000000001 \
00000400 00000003 00000000 00000003     eth0\n\
20000000000000000000000000000000 03 00000000000000000000000000000000 00 fd000000000000000000000000000001 \
00000400 00000003 00000000 00000003     tun0\n\
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 \
ffffffff 00000001 00000000 00200200       lo\n";

    fn gateways(text: &str, gateway: ParseGateway) -> Vec<String> {
        text.lines().filter_map(gateway).map(|address| address.to_string()).collect()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_gateways_of_default_routes_are_found() {
        assert_eq!(gateways(ROUTE, ipv4_gateway), ["192.0.2.1", "10.8.0.1", "10.8.0.1"]);
        assert_eq!(gateways(IPV6_ROUTE, ipv6_gateway), ["fe80::1", "2001:db8::1", "fd00::1"]);
    }

    #[test]
    fn malformed_lines_of_routes_are_passed_over() {
        let long = format!("eth0 {} 0003", "0".repeat(100_000));
        for line in [
            "",
            "eth0",
            "eth0 00000000 010200C0 0003 0 0 100",
            "eth0 00000000 010200C 0003 0 0 100 00000000",
            "eth0 00000000 +10200C0 0003 0 0 100 00000000",
            "eth0 00000000 010200C0 3 0 0 100 00000000",
            "eth0 00000000 010200C0 0003 0 0 100 0000000000",
            "eth0 00000000 \u{ff11}10200C0 0003 0 0 100 00000000",
            &long,
        ] {
            assert_eq!(ipv4_gateway(line), None, "{line:.60}");
            assert_eq!(ipv6_gateway(line), None, "{line:.60}");
        }
        let line = IPV6_ROUTE.lines().nth(2).unwrap();
        assert!(ipv6_gateway(line).is_some());
        for (from, to) in
            [(" 00 00000", " 0 00000"), ("20010db8", "2001db8"), ("20010db8", "+0010db8")]
        {
            assert_eq!(ipv6_gateway(&line.replace(from, to)), None, "{to}");
        }
        let wide = line.replacen(" 00 ", " 04 ", 1);
        assert_eq!(ipv6_gateway(&wide), None, "no default route");
    }

    #[test]
    fn a_table_that_is_missing_is_told_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let read = || DefaultRoutes::read(dir.path());
        let path = dir.path().join("route");
        let advice =
            "no default gateway is known; name the routers in [site] never, or they may be blocked";
        let none = format!("{}: No such file or directory (os error 2); {advice}", path.display());
        assert_eq!(read().fault(), Some(none));
        std::fs::write(&path, ROUTE.lines().next().unwrap()).unwrap();
        assert_eq!(read().fault().as_deref(), Some(advice));
        std::fs::write(&path, ROUTE).unwrap();
        assert_eq!((read().fault(), read().gateways.len()), (None, 2));
        std::fs::write(dir.path().join("ipv6_route"), IPV6_ROUTE).unwrap();
        assert_eq!((read().fault(), read().gateways.len()), (None, 5));
        // The gateways before the limit are known.
        let file = File::options().append(true).open(&path).unwrap();
        file.set_len(MAX_TABLE + 1).unwrap();
        assert_eq!(read().gateways.len(), 5);
        let fault = read().fault().unwrap();
        assert!(fault.contains("route: more than 16 MiB, the rest was not read; name"), "{fault}");
    }

    fn config(text: &str) -> Config {
        let path = Path::new("/etc/nfkit/nfkit.toml");
        let (config, faults) = Config::parse(path, text, &[&SITE, &COLLECT]).unwrap();
        assert_eq!(faults, []);
        config
    }

    #[test]
    fn the_configuration_names_what_is_never_blocked() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("exporters");
        std::fs::write(&file, "140.119.1.1 # the core\n10.0.0.0/20=5000\n2001:db8::/32\n").unwrap();
        let config = config(&format!(
            "[site]\nnever = [\"140.119.1.0/24\", \"2001:db8:9::7\"]\n\
             [collect]\nbind = [\"192.0.2.10\", \"::\"]\nallow = \"@{}\"\n",
            file.display()
        ));
        let text = |entries: Vec<(IpNet, NeverReason)>| {
            let mut text: Vec<_> =
                entries.iter().map(|(net, reason)| (net.to_string(), *reason)).collect();
            text.sort();
            text
        };
        let expected = [
            ("10.0.0.0/20", Exporter),
            ("140.119.1.0/24", Listed),
            ("140.119.1.1/32", Exporter),
            ("192.0.2.10/32", Collector),
            ("2001:db8:9::7/128", Listed),
            ("2001:db8::/32", Exporter),
        ];
        assert_eq!(
            text(configured(&config).unwrap()),
            expected.map(|(net, reason)| (net.to_owned(), reason))
        );
        let wide = wide_exporters(&config).unwrap();
        assert_eq!(
            wide.iter().map(|net| net.to_string()).collect::<Vec<_>>(),
            ["10.0.0.0/20", "2001:db8::/32"]
        );
        assert_eq!(
            wide_exporter_text(wide[0]),
            "[collect] allow has the network 10.0.0.0/20, and no host in it is ever isolated; name the \
             exporters alone"
        );
        // A file that is gone must not make the list shorter.
        std::fs::remove_file(&file).unwrap();
        let error = format!("{:#}", wide_exporters(&config).unwrap_err());
        assert!(error.starts_with("/etc/nfkit/nfkit.toml:5: [collect] allow: "), "{error}");
        assert!(configured(&config).is_err());
    }

    #[test]
    fn a_file_of_the_never_list_must_be_readable() {
        let config = config("[site]\nnever = \"@/nonexistent/never\"\n");
        let error = format!("{:#}", configured(&config).unwrap_err());
        assert!(
            error.starts_with("/etc/nfkit/nfkit.toml:2: [site] never: /nonexistent/never: "),
            "{error}"
        );
        assert_eq!(wide_exporters(&config).unwrap(), []);
    }

    #[test]
    fn own_addresses_are_never_blocked() {
        let report = Report::new("nfnotify", Box::new(std::io::sink()), false, false);
        let config = config("[site]\nnever = \"192.0.2.0/24\"\n");
        let mut io = Io { out: Out::new(std::io::sink()), report, config };
        let more = vec!["198.51.100.0/24".parse().unwrap()];
        let never = never_list(more, &mut io).unwrap();
        let reason = |ip: &str| never.check(ip.parse().unwrap()).map(|never| never.reason);
        assert_eq!((reason("192.0.2.9"), reason("198.51.100.9")), (Some(Listed), Some(Listed)));
        assert_eq!(reason("127.0.0.1"), Some(OwnInterface));
        for own in own_addresses().unwrap() {
            assert!(never.check(own).is_some(), "{own}");
        }
        for gateway in DefaultRoutes::read(Path::new(PROC_NET)).gateways {
            assert!(never.check(gateway).is_some(), "{gateway}");
        }
    }
}
