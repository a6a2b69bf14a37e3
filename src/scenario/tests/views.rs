//! Tests of the views of routers: one direction, two routers, sampling, IPv6.

use super::*;
use crate::flow::{ICMPV6, UDP};

/// Returns a window of a campus with a scan, the played flows, the exported ones of a view, and the truth.
fn seen(view: RouterView) -> (Window, Played, Vec<ExportedFlow>, Vec<Truth>) {
    let with = ["sweep=300", "udp=100", "icmp=60", "group=64"].map(|text| text.parse().unwrap());
    let plan = ScenarioPlan { flows: Some(4_000), ..plan(ScenarioKind::Campus, 1) };
    let mut player = Player::with(plan, &with).unwrap();
    let (mut view, window) = (view, player.next_window().unwrap());
    let (mut batch, mut played, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    view.enter(window);
    while player.next(&mut batch) {
        view.take(&batch, &mut seen);
        played.extend_from_slice(&batch);
    }
    view.end(&mut seen);
    assert!(seen.is_sorted_by_key(|seen| seen.arrival));
    assert!(seen.iter().all(|seen| window.holds(seen.arrival)));
    assert!(seen.iter().all(|seen| seen.flow.end.unwrap() <= seen.arrival));
    let truth = view.truth(player.truth());
    (window, played, seen, truth)
}

fn of(seen: &[ExportedFlow], router: usize) -> Vec<Flow> {
    seen.iter().filter(|seen| seen.router == router).map(|seen| seen.flow).collect()
}

#[test]
fn the_plain_view_changes_nothing() {
    let (_, played, seen, _) = seen(RouterView::new(1));
    assert_eq!(played.len(), 4_000);
    let shown = seen.iter().map(|seen| (seen.arrival, seen.flow));
    assert!(shown.eq(played) && seen.iter().all(|seen| seen.router == 0));
}

#[test]
fn one_direction_is_that_of_the_uplink() {
    let (_, played, both, _) = seen(RouterView::new(1));
    let (_, _, inward, _) = seen(RouterView::new(1).oneway(UplinkDirection::In));
    let (_, _, outward, _) = seen(RouterView::new(1).oneway(UplinkDirection::Out));
    assert!(inward.iter().all(|seen| seen.flow.sif == 1 && !inside(v4(seen.flow.sip))));
    assert!(outward.iter().all(|seen| seen.flow.dif == 1 && !inside(v4(seen.flow.dip))));
    let within = played.iter().filter(|(_, flow)| flow.sif == flow.dif).count();
    assert!(within > 0);
    assert_eq!(inward.len() + outward.len() + within, both.len());
}

#[test]
fn a_second_router_exports_the_same_flows_a_little_later() {
    let (_, played, both, _) = seen(RouterView::new(1).twice());
    let (first, second) = (of(&both, 0), of(&both, 1));
    assert!(played.iter().map(|(_, flow)| *flow).eq(first.iter().copied()));
    let mut late = Vec::new();
    let mut found: HashMap<_, _> =
        both.iter().filter(|seen| seen.router == 1).map(|seen| (key(&seen.flow), seen)).collect();
    assert_eq!(second.len(), first.len());
    for (arrival, flow) in &played {
        // A conversation can be played several times. Its last record is compared.
        let Some(twin) = found.remove(&key(flow)) else { continue };
        let later = twin.arrival.nanos().wrapping_sub(arrival.nanos()) as i64;
        late.push(later);
        assert_eq!((twin.flow.sif, twin.flow.dif), (flow.sif + 10, flow.dif + 10));
        let off = twin.flow.start.unwrap().nanos() - flow.start.unwrap().nanos();
        assert!(off <= 5_000_000 && off % 1_000_000 == 0, "{off}");
    }
    late.sort_unstable();
    assert!(late.len() > 3_900 && late[0] >= 0 && *late.last().unwrap() <= 300_000_000);
    assert!(late[late.len() / 2] > 100_000_000);
}

fn key(flow: &Flow) -> (u8, IpAddr, IpAddr, u16, u16, u64) {
    (flow.proto, flow.sip, flow.dip, flow.sport, flow.dport, flow.octets)
}

#[test]
fn each_router_samples_independently() {
    let (_, _, one, _) = seen(RouterView::new(1).sampling(10));
    let (_, _, two, _) = seen(RouterView::new(1).twice().sampling(10).oneway(UplinkDirection::In));
    let inward: Vec<Flow> = of(&one, 0).into_iter().filter(|flow| flow.sif == 1).collect();
    assert_eq!(of(&two, 0), inward);
    let other = of(&two, 1);
    assert!(other.len().abs_diff(inward.len()) < inward.len() / 3);
    let common: HashSet<_> = inward.iter().map(key).collect();
    assert!(other.iter().filter(|flow| common.contains(&key(flow))).count() < other.len());
    assert!(other.iter().all(|flow| flow.sampling == 10 && flow.sif == 11));
}

#[test]
fn ipv6_changes_only_addresses_and_headers() {
    let (_, played, shown, truth) = seen(RouterView::new(1).ipv6());
    let (_, _, _, plain) = seen(RouterView::new(1));
    let text = |address: &str| address.parse::<IpAddr>().unwrap();
    let mut to = BTreeMap::new();
    for ((_, flow), ExportedFlow { flow: six, .. }) in played.iter().zip(&shown) {
        for (four, six) in [(flow.sip, six.sip), (flow.dip, six.dip)] {
            assert!(six.is_ipv6() && *to.entry(four).or_insert(six) == six);
        }
        assert_eq!(six.octets, flow.octets + 20 * flow.packets);
        assert_eq!((six.packets, six.sport, six.flags), (flow.packets, flow.sport, flow.flags));
        match flow.proto {
            ICMP => {
                let dport = match flow.dport {
                    0 => 129 * 256,
                    2_048 => 128 * 256,
                    769 => 259,
                    771 => 260,
                    2_816 => 768,
                    other => panic!("{other}"),
                };
                assert_eq!((six.proto, six.dport), (ICMPV6, dport));
            }
            proto => assert_eq!((six.proto, six.dport), (proto, flow.dport)),
        }
    }
    let distinct: BTreeSet<_> = to.values().collect();
    assert_eq!(distinct.len(), to.len());
    for (four, six) in [
        ("203.0.113.7", "2001:db8:cb00:71::7"),
        ("8.8.8.8", "2001:db8:808:8::8"),
        ("140.119.56.17", "2001:288:0:38::11"),
    ] {
        let flow = Flow { sip: text(four), dip: text("140.119.1.1"), ..Flow::default() };
        let mut out = Vec::new();
        let mut view = RouterView::new(1).ipv6();
        view.enter(Window::new(0, 600).unwrap());
        view.take(&[(Timestamp::default(), Flow { proto: UDP, packets: 1, ..flow })], &mut out);
        assert_eq!(out[0].flow.sip, text(six));
    }
    assert_eq!(truth.len(), plain.len());
    assert!(truth.iter().any(|t| t.finding.host.text(false) == "2001:db8:c633:64::/64"));
    assert!(truth.is_sorted_by(|a, b| a.finding.order(&b.finding).is_le()));
    let flows: Played = shown.iter().map(|seen| (seen.arrival, seen.flow)).collect();
    for row in &truth {
        let own = |flow: &Flow| match row.finding.host {
            Host::Address(host) => flow.sip == host,
            Host::Prefix(net) => net.contains(&flow.sip),
        };
        recount(row, &flows, |flow| own(flow).then_some(flow.dip));
        // The named networks contain all targets.
        for peer in &row.finding.peer {
            if let Host::Prefix(net) = peer.host {
                let hits = flows.iter().filter(|(_, f)| own(f) && net.contains(&f.dip)).count();
                assert!(hits > 0 && net.prefix_len() <= 64, "{net}");
                assert!(peer.flows.is_none_or(|flows| flows == hits as u64));
            }
        }
        assert!(row.finding.proto != Some(ICMP) && row.finding.port != Some(2_048));
    }
}

#[test]
fn the_truth_of_the_figures_has_ipv6_addresses_too() {
    let mut player =
        Player::new(ScenarioPlan { flows: Some(5_000), ..figure(Figure::Scan) }).unwrap();
    let mut batch = Vec::new();
    player.next_window();
    while player.next(&mut batch) {}
    let truth = RouterView::new(1).ipv6().truth(player.truth());
    let nets: Vec<String> = truth[0].finding.peer.iter().map(|p| p.host.text(false)).collect();
    assert_eq!((nets.len(), &*nets[0]), (16, "2001:288:0:38::/64"));
    assert_eq!(nets[15], "2001:288:0:47::/64");
    assert_eq!(truth[0].finding.host.text(false), "2001:db8:cb00:71::2d");
}
