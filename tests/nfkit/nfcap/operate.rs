//! Operation of a collector: permitted senders, reload, counts, metrics, readiness, and files that
//! other programs read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;

use super::faults::{counts, is_root, run};
use super::*;

#[test]
fn sighup_rereads_the_list_of_exporters() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let list = scene.write("allow", "127.0.0.1\n");
    let allow = format!("@{}", list.display());
    let args = ["-t", LONG, "-p", "0", "--ident", "pop3", "--allow", &allow, "-w", &path(&spool)];
    let mut nfcap = Nfcap::start(args);
    let send = |nfcap: &Nfcap, from: &str| {
        let socket = UdpSocket::bind((from, 0)).unwrap();
        socket.send_to(b"x", ("127.0.0.1", nfcap.port())).unwrap();
    };
    let denied = |nfcap: &mut Nfcap, count: &str| {
        until("who is denied", || (counts(nfcap)["denied"] == count).then_some(()));
    };
    send(&nfcap, "127.0.0.2");
    denied(&mut nfcap, "1");
    fs::write(&list, "127.0.0.2=9 # the other\n").unwrap();
    nfcap.signal("HUP");
    until("a file", || (files(&spool).len() == 1).then_some(()));
    send(&nfcap, "127.0.0.1");
    send(&nfcap, "127.0.0.2");
    denied(&mut nfcap, "2");
    // A list that cannot be read leaves the old one in force.
    fs::write(&list, "127.0.0.1\nnonsense\n").unwrap();
    nfcap.signal("HUP");
    nfcap.says(
        "allow:2: \"nonsense\" is no network such as 192.0.2.0/24 or 2001:db8::/32; the previous list",
    );
    until("a file", || (files(&spool).len() == 2).then_some(()));
    send(&nfcap, "127.0.0.2");
    until("the last one", || (counts(&mut nfcap)["received"] == "2").then_some(()));
    nfcap.stop();
    let held: Vec<Held> = files(&spool).iter().map(|file| read(file)).collect();
    let nets = |held: &Held| held.slot.allow.clone().unwrap()[0].to_string();
    assert_eq!(
        held.iter().map(nets).collect::<Vec<_>>(),
        ["127.0.0.1/32", "127.0.0.2/32", "127.0.0.2/32"]
    );
    let counts: Vec<_> = held.iter().map(|h| (h.closing.received, h.closing.denied)).collect();
    assert_eq!(counts, [(0, 1), (1, 1), (1, 0)]);
    assert!(held.iter().all(|held| held.slot.ident.as_deref() == Some("pop3")));
}

#[test]
fn a_reload_while_streaming_does_not_split_the_slot() {
    let scene = Scene::new();
    let list = scene.write("allow", "127.0.0.1\n");
    let allow = format!("@{}", list.display());
    let args = ["-t", LONG, "-p", "0", "-b", "127.0.0.1", "--allow", &allow, "-w", "-"];
    let mut nfcap = Nfcap::listening(args, Stdio::piped());
    let mut reader = Reader::new(nfcap.child.stdout.take().unwrap()).unwrap();
    let socket = UdpSocket::bind("127.0.0.2:0").unwrap();
    let at = nfcap.at[0];
    let mut sent = 0;
    let mut send_until = |nfcap: &mut Nfcap, kind: &str| {
        until("a datagram that counts", || {
            sent += 1;
            socket.send_to(b"x", at).unwrap();
            (counts(nfcap)[kind] != "0").then_some(())
        });
    };
    send_until(&mut nfcap, "denied");
    fs::write(&list, "127.0.0.2\n").unwrap();
    nfcap.signal("HUP");
    send_until(&mut nfcap, "received");
    nfcap.signal("TERM");
    let (mut sections, mut ends) = (0, Vec::new());
    while let Some(event) = reader.next().unwrap() {
        match event {
            Event::Section(_) => sections += 1,
            Event::End(Ending::Closed(closing)) => ends.push(closing),
            _ => {}
        }
    }
    nfcap.stop();
    assert_eq!((sections, ends.len()), (1, 1));
    assert!(ends[0].received > 0 && ends[0].denied > 0, "{:?}", ends[0]);
    assert_eq!(ends[0].received + ends[0].denied, sent);
}

#[test]
fn rate_limits_the_datagrams_of_each_exporter() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let args = ["-t", LONG, "-p", "0", "--allow", "127.0.0.1=50,127.0.0.0/8", "--rate", "20"];
    let mut nfcap = Nfcap::start(args.into_iter().chain(["-w", &path(&spool)]));
    let began = Instant::now();
    for from in ["127.0.0.1", "127.0.0.2"] {
        let socket = UdpSocket::bind((from, 0)).unwrap();
        for _ in 0..500 {
            socket.send_to(b"x", ("127.0.0.1", nfcap.port())).unwrap();
        }
    }
    until("all", || (counts(&mut nfcap)["received"] == "1000").then_some(()));
    let seconds = began.elapsed().as_secs_f64();
    let said = nfcap.stop();
    let held = read(&files(&spool)[0]);
    for (from, rate) in [("127.0.0.1", 50.0), ("127.0.0.2", 20.0)] {
        let from: IpAddr = from.parse().unwrap();
        let stored = held.datagrams.iter().filter(|d| d.exporter == from).count() as f64;
        assert!((rate..=rate * (2.0 + seconds)).contains(&stored), "{stored} in {seconds} s");
    }
    let limited = held.closing.limited;
    assert_eq!(held.datagrams.len() as u64 + limited, held.closing.received);
    assert!(said.contains(&format!("{limited} datagrams beyond the rate of their exporter: 127.")));
    // The datagrams were lost at the collector, and the windows report them as lost.
    let ran = tool("nfdump-txt").arg(&files(&spool)[0]).run();
    assert!(ran.marks("#end")[0].contains(&format!("\tlostdatagrams={limited}\t")), "{ran}");
}

#[test]
fn node_exporter_reads_the_metrics() {
    if installed("prometheus-node-exporter").is_none() {
        return;
    }
    let scene = Scene::new();
    let (spool, dir) = (scene.path("spool"), scene.path("metrics"));
    fs::create_dir(&dir).unwrap();
    let file = dir.join("nfcap.prom");
    let args = ["-t", "1s", "-p", "0", "--ident", "a\"b", "--metrics-file", &path(&file)];
    let mut nfcap = Nfcap::start(args.into_iter().chain(["-w", &path(&spool)]));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let datagrams = exported(Version::V9, 9);
    for n in [0, 1, 5, 6] {
        socket.send_to(&datagrams[n], ("127.0.0.1", nfcap.port())).unwrap();
    }
    until("metrics", || {
        fs::read_to_string(&file).ok()?.contains("unit=\"datagrams\"} 3\n").then_some(())
    });
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut exporter = Command::new("prometheus-node-exporter")
        .args(["--collector.disable-defaults", "--collector.textfile"])
        .arg(format!("--collector.textfile.directory={}", dir.display()))
        .arg(format!("--web.listen-address={free}"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let text = until("node_exporter", || {
        let mut stream = TcpStream::connect(&free).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.contains("nfcap_").then_some(text)
    });
    _ = exporter.kill();
    _ = exporter.wait();
    for row in [
        "node_textfile_scrape_error 0",
        "nfcap_received_datagrams_total 4",
        "nfcap_dropped_datagrams_total{by=\"kernel\"} 0",
        "nfcap_exporter_missing{domain=\"7\",exporter=\"127.0.0.1\",unit=\"datagrams\",\
         version=\"NetFlow v9\"} 3",
        "nfcap_info{ident=\"a\\\"b\",version=\"0.1.0\"} 1",
    ] {
        assert!(text.lines().any(|line| line == row), "{row} in {text}");
    }
    assert_eq!(counts(&mut nfcap)["exporters"], "1");
    let said = nfcap.stop();
    assert!(
        said.contains("exporter 127.0.0.1 NetFlow v9 domain 7: datagrams=4 missing_datagrams=3")
    );
}

#[test]
fn the_service_manager_is_notified_of_start_and_stop() {
    let scene = Scene::new();
    let (spool, path_of) = (scene.path("spool"), scene.path("notify"));
    let socket = UnixDatagram::bind(&path_of).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nfcap"));
    let args = ["-t", LONG, "-p", "0", "-w", &path(&spool)];
    let mut nfcap =
        Nfcap::spawn_as(command.args(args).env("NOTIFY_SOCKET", &path_of), Stdio::null());
    let notification = || {
        let mut buffer = [0; 100];
        let len = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    };
    assert_eq!(notification(), "READY=1\n");
    // nfcap is ready: the port is bound and there is a file.
    assert_eq!(parts(&spool).len(), 1);
    nfcap.listens(1);
    nfcap.stop();
    assert_eq!(notification(), "STOPPING=1\n");
}

#[test]
fn systemd_accepts_the_unit_and_rates_it_as_safe() {
    if installed("systemd-analyze").is_none() {
        return;
    }
    let scene = Scene::new();
    // systemd-analyze checks that the programs of a unit exist.
    let unit = super::super::harness::package("packaging/systemd/nfcap.service");
    let unit = fs::read_to_string(unit).unwrap();
    let unit = unit.replace("/usr/local/bin/nfcap", env!("CARGO_BIN_EXE_nfcap"));
    let unit = scene.write("nfcap.service", unit);
    let seen = run("systemd-analyze", &["verify", "--man=no", &path(&unit)]);
    let text = String::from_utf8_lossy(&seen.stderr).into_owned();
    let about: Vec<_> = text.lines().filter(|line| line.contains("nfcap.service")).collect();
    assert!(about.is_empty() && seen.status.success(), "{text}");
    let seen =
        run("systemd-analyze", &["security", "--offline=yes", "--threshold=20", &path(&unit)]);
    let text = String::from_utf8_lossy(&seen.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default();
    assert!(seen.status.success(), "at most 2.0: {last}");
    // All options in the unit's command line are options of nfcap.
    let unit = fs::read_to_string(&unit).unwrap();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let help = tool("nfcap").arg("--help").run().ok();
    for option in start.split(' ').filter(|word| word.starts_with("--")) {
        assert!(help.text().contains(&format!(" {option}")), "{option}");
    }
}

#[test]
fn systemd_accepts_the_units_of_the_job_and_lets_them_send_mail() {
    if installed("systemd-analyze").is_none() {
        return;
    }
    let scene = Scene::new();
    let read = |name: &str| {
        let unit = super::super::harness::package("packaging/systemd").join(name);
        fs::read_to_string(unit).unwrap()
    };
    let service = read("nf-every10.service");
    // systemd-analyze checks that the program exists, but not what it is.
    let tried = service.replace("/usr/local/bin/nf-every10", env!("CARGO_BIN_EXE_nfcap"));
    let tried = scene.write("nf-every10.service", tried);
    let timer = scene.write("nf-every10.timer", read("nf-every10.timer"));
    let seen = run("systemd-analyze", &["verify", "--man=no", &path(&tried), &path(&timer)]);
    let text = String::from_utf8_lossy(&seen.stderr).into_owned();
    let about: Vec<_> = text.lines().filter(|line| line.contains("nf-every10")).collect();
    assert!(about.is_empty() && seen.status.success(), "{text}");
    // systemd.exec(5) of Debian 12 names the settings that keep a program from changing its group, as
    // Postfix's postdrop must.
    for setting in [
        "DynamicUser",
        "LockPersonality",
        "MemoryDenyWriteExecute",
        "NoNewPrivileges",
        "PrivateDevices",
        "ProtectClock",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelModules",
        "ProtectKernelTunables",
        "RestrictAddressFamilies",
        "RestrictNamespaces",
        "RestrictRealtime",
        "RestrictSUIDSGID",
        "SystemCall",
    ] {
        let is_set = service.lines().any(|line| line.starts_with(setting));
        assert!(!is_set, "{setting} implies NoNewPrivileges");
    }
}

/// Sends some of an exporter's datagrams and waits until they are received.
fn send(nfcap: &mut Nfcap, socket: &UdpSocket, datagrams: &[Vec<u8>]) {
    let before: u64 = counts(nfcap)["received"].parse().unwrap();
    for datagram in datagrams {
        socket.send_to(datagram, ("127.0.0.1", nfcap.port())).unwrap();
    }
    let all = (before + datagrams.len() as u64).to_string();
    until("datagrams received", || (counts(nfcap)["received"] == all).then_some(()));
}

#[test]
fn templates_sent_once_survive_rotation_restart_and_kill() {
    for (version, compress) in [(Version::V9, false), (Version::Ipfix, true)] {
        let scene = Scene::new();
        let spool = scene.path("spool");
        let dir = path(&spool);
        let mut args = vec!["-t", LONG, "-p", "0", "-w", &dir];
        if compress {
            args.extend(["--compress", "zstd:3"]);
        }
        // Only the first of these has templates and reports how packets are sampled.
        let now = Timestamp::from_secs(seconds_now() as u64);
        let exporter = Exporter::new(version, 7, now.offset(-1_000_000_000));
        let mut exporter = exporter.sampling(64).unwrap();
        let mut datagrams = Vec::new();
        for n in 0..12 {
            let mut push = |bytes: &[u8]| datagrams.push(bytes.to_vec());
            exporter.push(&flow(n), now, &mut push).unwrap();
            exporter.flush(now, &mut push);
        }
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        // One file ends by rotation, one by the end of nfcap, one by a kill.
        let mut nfcap = Nfcap::start(&args);
        send(&mut nfcap, &socket, &datagrams[..3]);
        nfcap.signal("HUP");
        until("a file", || (files(&spool).len() == 1).then_some(()));
        send(&mut nfcap, &socket, &datagrams[3..6]);
        nfcap.stop();
        let mut nfcap = Nfcap::start(&args);
        send(&mut nfcap, &socket, &datagrams[6..9]);
        let size = |spool: &Path| {
            let part = parts(spool).pop()?;
            Some(fs::metadata(part).ok()?.len())
        };
        // All of it is on the disk if the size has not changed for longer than --sync.
        let mut last = (size(&spool), Instant::now());
        until("the disk", || {
            let now = size(&spool);
            if now != last.0 {
                last = (now, Instant::now());
            }
            (last.1.elapsed() > Duration::from_millis(1500)).then_some(())
        });
        nfcap.signal("KILL");
        nfcap.wait();
        let mut nfcap = Nfcap::start(&args);
        send(&mut nfcap, &socket, &datagrams[9..]);
        nfcap.stop();
        let files = files(&spool);
        assert_eq!(files.len(), 4);
        for (n, file) in files.iter().enumerate() {
            let ran = tool("nfdump-txt").args(["--fields", "+sampling"]).arg(file).run();
            let rows = table(ran.text());
            let ports: Vec<usize> = rows.iter().map(|row| row["sport"].parse().unwrap()).collect();
            assert_eq!(ports, (n * 3..n * 3 + 3).collect::<Vec<_>>(), "{ran}");
            assert!(rows.iter().all(|row| row["sampling"] == "64"), "{ran}");
            assert_wireshark_reads(file, 3, n == 2);
        }
    }
}

/// Asserts that Wireshark's programs read a file and find this number of flows in it. Restated
/// templates count as no flow.
fn assert_wireshark_reads(file: &Path, flows: usize, is_torn: bool) {
    let Some(_) = installed("tshark") else { return };
    let file = path(file);
    if !is_torn {
        let seen = run("capinfos", &["-M", "-c", "-l", &file]);
        let text = String::from_utf8_lossy(&seen.stdout).into_owned();
        assert!(seen.status.success(), "{text}{}", String::from_utf8_lossy(&seen.stderr));
    }
    let fields = ["-T", "fields", "-e", "cflow.srcport", "-e", "_ws.malformed"];
    let seen =
        run("tshark", &[&["-r", &file, "-d", "udp.port==1-65535,cflow"], &fields[..]].concat());
    let text = String::from_utf8_lossy(&seen.stdout).into_owned();
    let ports = text.split(['\n', '\t', ',']).filter(|word| word.parse::<u16>().is_ok()).count();
    assert_eq!(ports, flows, "{file}: {text}");
}

#[test]
fn a_user_without_access_to_the_spool_is_refused() {
    if !is_root() {
        return skipped("only root can be another user");
    }
    let scene = Scene::new();
    let spool = scene.path("spool");
    for (args, why) in [
        (vec!["--user", "nobody-of-that-name"], "no such user"),
        (vec!["--group", "nogroup-of-that-name"], "no such group"),
        // The spool belongs to root.
        (vec!["--user", "nobody"], "Permission denied"),
    ] {
        fs::create_dir_all(&spool).unwrap();
        let dir = path(&spool);
        let all = ["-p", "0", "-w", &dir].into_iter().chain(args);
        let mut nfcap = Nfcap::spawn(all, Stdio::null());
        assert_eq!(nfcap.wait().code(), Some(1), "{:?}", nfcap.said);
        nfcap.says(why);
    }
}

#[test]
fn a_receive_buffer_smaller_than_asked_for_is_reported() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    // Without this capability root is treated like any other user.
    if is_root() && installed("setpriv").is_none() {
        return;
    }
    let mut command = Command::new(if is_root() { "setpriv" } else { env!("CARGO_BIN_EXE_nfcap") });
    if is_root() {
        command.args(["--bounding-set=-net_admin", "--inh-caps=-net_admin"]);
        command.arg(env!("CARGO_BIN_EXE_nfcap"));
    }
    let args = ["-p", "0", "-B", "512M", "-w", &path(&spool)];
    let mut nfcap = Nfcap::spawn_as(command.args(args), Stdio::null());
    nfcap.listens(1);
    let line = nfcap.says(": the receive buffer is ");
    assert!(
        line.contains(" KiB instead of 524288 KiB; run as root or raise net.core.rmem_max"),
        "{line}"
    );
    nfcap.stop();
}

#[test]
fn one_sender_cannot_evict_the_templates_of_another() {
    let scene = Scene::new();
    let (spool, metrics) = (scene.path("spool"), scene.path("metrics"));
    let args = ["-t", LONG, "-p", "0", "-b", "127.0.0.1", "-w", &path(&spool)];
    let args = args.into_iter().chain(["--metrics-file", metrics.to_str().unwrap()]);
    let mut nfcap = Nfcap::start(args);
    let good = UdpSocket::bind("127.0.0.7:0").unwrap();
    let bad = UdpSocket::bind("127.0.0.66:0").unwrap();
    let datagrams = exported(Version::V9, 4);
    send(&mut nfcap, &good, &datagrams[..2]);
    // Each datagram has a template of one field, from a domain of its own.
    let forged: Vec<Vec<u8>> = (0..17_000u32)
        .map(|n| {
            let now = seconds_now() as u32;
            let head = [&[0, 9, 0, 1, 0, 0, 3, 232][..], &now.to_be_bytes(), &[0; 4]].concat();
            let set = [0, 0, 0, 12, 1, 0, 0, 1, 0, 8, 0, 4];
            [&head[..], &(100_000 + n).to_be_bytes(), &set].concat()
        })
        .collect();
    for part in forged.chunks(200) {
        send(&mut nfcap, &bad, part);
    }
    // The next file restates the templates that are known.
    nfcap.signal("HUP");
    until("a file", || (files(&spool).len() == 1).then_some(()));
    send(&mut nfcap, &good, &datagrams[2..]);
    let line = nfcap.says("forgotten of exporters that have too many: ");
    assert!(line.contains(" domains with their templates, of 127.0.0.66 ("), "{line}");
    nfcap.stop();
    let rows = |file: &Path| tool("nfdump-txt").arg(file).run().rows().len();
    let files = files(&spool);
    assert_eq!([rows(&files[0]), rows(&files[1])], [2, 2]);
    let ran = tool("nfdump-txt").arg(&spool).run();
    assert_eq!(ran.rows().len(), 4);
    ran.says(
        "domains of exporters were forgotten with their templates, because there were too many: of 127.0.0.66",
    );
    let text = fs::read_to_string(metrics).unwrap();
    let forgotten = 17_000 - 2048;
    assert!(text.contains(&format!("nfcap_forgotten_total{{what=\"domains\"}} {forgotten}\n")));
    let series = "nfcap_exporter_datagrams_total{exporter=\"127.0.0.7\"";
    assert!(text.contains(series), "{text}");
}

#[test]
fn rate_limits_the_bytes_of_each_exporter() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let args =
        ["-t", LONG, "-p", "0", "-b", "127.0.0.1", "--rate", "1000,64K", "-w", &path(&spool)];
    let mut nfcap = Nfcap::start(args);
    let began = Instant::now();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..200 {
        socket.send_to(&[0; 8192], nfcap.at[0]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    until("all", || (counts(&mut nfcap)["received"] == "200").then_some(()));
    let seconds = began.elapsed().as_secs_f64();
    nfcap.stop();
    let held = read(&files(&spool)[0]);
    let stored = held.datagrams.len() as f64;
    assert!((8.0..=8.0 * (2.0 + seconds)).contains(&stored), "{stored} in {seconds} s");
    assert_eq!(held.closing.limited + stored as u64, 200);
}
