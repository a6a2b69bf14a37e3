//! A way to each host's page without a server: the networks, and the hosts of each.

use std::collections::BTreeMap;

use askama::Template;
use ipnet::IpNet;

use super::super::error::Error;
use super::super::frame::{Frame, Place};
use super::rows::side;
use super::{Site, host_name, host_page, html};
use crate::finding::Host;
use crate::finding::words::{count, of};

/// The most hosts that one page lists by themselves.
const FEW: usize = 300;

/// The way to a host on a page that lists hosts, and on one that lists networks.
const SEARCH: &str = "To find a host, search this page for its address.";
const OPEN: &str = "To find a host, open its network.";

#[derive(Template)]
#[template(path = "hosts.html")]
struct Hosts<'a> {
    frame: Frame<'a>,
    title: String,
    heading: String,
    about: String,
    links: Vec<Link>,
}

struct Link {
    href: String,
    name: String,
    text: String,
}

impl Site<'_> {
    /// Returns the pages by which a host is found, by name: `hosts.html` with all hosts, or with their networks if
    /// there are many, and then a page for each network.
    pub(super) fn finder_html(&self) -> Result<Vec<(String, String)>, Error> {
        let about = format!(
            "{} with findings, {} with a page.",
            of(self.hosts.len() as u64, "host"),
            count(self.paged.len() as u64)
        );
        let page = |heading: &str, hint: &str, here, root, links| {
            let heading = heading.to_owned();
            html(&Hosts {
                frame: self.frame(here, root),
                title: heading.clone(),
                heading,
                about: format!("{about} {hint}"),
                links,
            })
        };
        if self.paged.len() <= FEW {
            let links = self.paged.iter().map(|host| self.host_link(*host, "")).collect();
            return Ok(vec![(
                "hosts.html".to_owned(),
                page("Hosts", SEARCH, Some(Place::Hosts), "", links)?,
            )]);
        }
        let mut networks: BTreeMap<IpNet, Vec<Host>> = BTreeMap::new();
        for host in &self.paged {
            networks.entry(network(*host)).or_default().push(*host);
        }
        let mut pages = Vec::new();
        let mut links = Vec::new();
        for (net, hosts) in &networks {
            let name = format!("net/{}.html", host_name(Host::Prefix(*net)));
            links.push(Link {
                href: name.clone(),
                name: net.to_string(),
                text: of(hosts.len() as u64, "host"),
            });
            let hosts = hosts.iter().map(|host| self.host_link(*host, "../")).collect();
            pages.push((name, page(&format!("Hosts in {net}"), SEARCH, None, "../", hosts)?));
        }
        pages.push((
            "hosts.html".to_owned(),
            page("Networks", OPEN, Some(Place::Hosts), "", links)?,
        ));
        Ok(pages)
    }

    fn host_link(&self, host: Host, root: &str) -> Link {
        let newest = self.hosts.get(&host).and_then(|places| self.part(*places.last()?));
        Link {
            href: format!("{root}{}", host_page(host)),
            name: host.text(false),
            text: newest.map_or(String::new(), |part| {
                format!("{}, last seen {}", side(part.side), self.short(part.last_end))
            }),
        }
    }
}

/// Returns the network of the page that lists a host: 16 bits of IPv4, 32 of IPv6.
fn network(host: Host) -> IpNet {
    let net = host.net();
    let bits = if net.addr().is_ipv4() { 16 } else { 32 };
    IpNet::new(net.addr(), bits.min(net.prefix_len())).map_or(net, |wide| wide.trunc())
}
